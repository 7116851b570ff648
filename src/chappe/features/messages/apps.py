from django.apps import AppConfig


class MessagesConfig(AppConfig):
    name = "chappe.features.messages"
    label = "messages_store"  # Django has a "messages" of its own

    def ready(self) -> None:
        from chappe.features.accounts.right import Right
        from chappe.features.live import TOPICS, Topic
        from chappe.features.messages import (
            finding,
            retention,  # noqa: F401 - says what is kept
        )

        TOPICS["message"] = Topic(finding.fingerprint, Right.SEE_MESSAGES)
