from django.apps import AppConfig


class ConsentConfig(AppConfig):
    name = "chappe.features.consent"
    label = "consent"
