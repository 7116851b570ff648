from django.apps import AppConfig


class TracesConfig(AppConfig):
    name = "chappe.features.traces"
    label = "traces"

    def ready(self) -> None:
        from chappe.features.accounts.right import Right
        from chappe.features.live import TOPICS, Topic
        from chappe.features.traces import services  # it names a kind of job

        TOPICS["trace"] = Topic(services.fingerprint, Right.SEE_TRACES)
