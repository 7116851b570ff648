from django.apps import AppConfig


class InboxConfig(AppConfig):
    name = "chappe.features.inbox"
    label = "inbox"

    def ready(self) -> None:
        from chappe.features.contacts.forgetting import FORGETTING
        from chappe.features.inbox import conversation, retention, trail  # noqa: F401 - what is kept, and what is followed
        from chappe.features.live import TOPICS

        TOPICS["inbox"] = conversation.fingerprint_of_all
        TOPICS["conversation"] = conversation.fingerprint
        FORGETTING.append(conversation.forget)
