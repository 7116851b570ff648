from django.apps import AppConfig


class DeliveriesConfig(AppConfig):
    name = "chappe.features.deliveries"
    label = "deliveries"
