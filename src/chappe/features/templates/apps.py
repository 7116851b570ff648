from django.apps import AppConfig


class TemplatesConfig(AppConfig):
    name = "chappe.features.templates"
    label = "templates"

    def ready(self) -> None:
        from chappe.features.templates import trail  # noqa: F401 - what is followed
