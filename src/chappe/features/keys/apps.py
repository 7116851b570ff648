from django.apps import AppConfig


class KeysConfig(AppConfig):
    """The pages of what accounts keeps of machines: no tables of its own."""

    name = "chappe.features.keys"
    label = "keys"
