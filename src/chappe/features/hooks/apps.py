from django.apps import AppConfig


class HooksConfig(AppConfig):
    name = "chappe.features.hooks"
    label = "hooks"

    def ready(self) -> None:
        from chappe.features.hooks import trail  # noqa: F401 - says what is followed
