from django.apps import AppConfig


class DeliveriesConfig(AppConfig):
    name = "chappe.features.deliveries"
    label = "deliveries"

    def ready(self) -> None:
        from chappe.features.deliveries import services  # noqa: F401 - names its kinds of jobs
