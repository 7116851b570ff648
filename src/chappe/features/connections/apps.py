from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    name = "chappe.features.connections"
    label = "connections"

    def ready(self) -> None:
        from chappe.features.connections import replacement  # noqa: F401 - names its kind of job
