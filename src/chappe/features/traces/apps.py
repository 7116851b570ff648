from django.apps import AppConfig


class TracesConfig(AppConfig):
    name = "chappe.features.traces"
    label = "traces"
