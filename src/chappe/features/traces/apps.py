from django.apps import AppConfig


class TracesConfig(AppConfig):
    name = "chappe.features.traces"
    label = "traces"

    def ready(self) -> None:
        from chappe.features.live import TOPICS
        from chappe.features.traces import services  # it names a kind of job

        TOPICS["trace"] = services.fingerprint
