from django.apps import AppConfig


class SettingsConfig(AppConfig):
    name = "chappe.features.settings"
    label = "organisation_settings"

    def ready(self) -> None:
        from chappe.features.settings import retention  # noqa: F401 - names its kind of job
