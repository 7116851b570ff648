from django.apps import AppConfig


class DeliveriesConfig(AppConfig):
    name = "chappe.features.deliveries"
    label = "deliveries"

    def ready(self) -> None:
        from chappe.features.deliveries import services, trail  # noqa: F401 - kinds of jobs, and what is followed
