from django.apps import AppConfig


class HooksConfig(AppConfig):
    name = "chappe.features.hooks"
    label = "hooks"
