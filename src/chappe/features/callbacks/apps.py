from django.apps import AppConfig


class CallbacksConfig(AppConfig):
    name = "chappe.features.callbacks"
    label = "callbacks"
