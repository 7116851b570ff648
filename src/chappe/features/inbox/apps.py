from django.apps import AppConfig


class InboxConfig(AppConfig):
    name = "chappe.features.inbox"
    label = "inbox"

    def ready(self) -> None:
        from chappe.features.accounts.right import Right
        from chappe.features.contacts.forgetting import FORGETTING
        from chappe.features.inbox import conversation, retention, trail  # noqa: F401 - what is kept, and what is followed
        from chappe.features.live import TOPICS, Topic

        TOPICS["inbox"] = Topic(conversation.fingerprint_of_all, Right.USE_INBOX)
        TOPICS["conversation"] = Topic(conversation.fingerprint, Right.USE_INBOX)
        FORGETTING.append(conversation.forget)
