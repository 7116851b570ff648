from django.apps import AppConfig


class SettingsConfig(AppConfig):
    name = "chappe.features.settings"
    label = "organisation_settings"

    def ready(self) -> None:
        from chappe.features.settings import retention, trail  # noqa: F401 - a kind of job, and what is followed
