from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    name = "chappe.features.connections"
    label = "connections"
