from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "chappe.features.audit"
    label = "audit"

    def ready(self) -> None:
        from chappe.features.audit import retention  # noqa: F401 - says what is kept
