from django.apps import AppConfig


class RelayConfig(AppConfig):
    name = "chappe.features.relay"
    label = "relay"
