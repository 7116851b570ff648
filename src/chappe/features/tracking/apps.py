from django.apps import AppConfig


class TrackingConfig(AppConfig):
    name = "chappe.features.tracking"
    label = "tracking"
