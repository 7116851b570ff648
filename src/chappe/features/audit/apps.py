from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "chappe.features.audit"
    label = "audit"
