from django.apps import AppConfig


class RelayConfig(AppConfig):
    name = "chappe.features.relay"
    label = "relay"

    def ready(self) -> None:
        from chappe.features.accounts.right import Right
        from chappe.features.live import TOPICS, Topic
        from chappe.features.relay import mending, overview, step_view, trail  # noqa: F401 - a kind of job, and what is followed

        TOPICS["account"] = Topic(overview.fingerprint, Right.SEE_CONNECTIONS)
        TOPICS["mid"] = Topic(step_view.fingerprint, Right.SEE_CONNECTIONS)
