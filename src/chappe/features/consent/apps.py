from django.apps import AppConfig


class ConsentConfig(AppConfig):
    name = "chappe.features.consent"
    label = "consent"

    def ready(self) -> None:
        from chappe.features.consent import trail  # noqa: F401 - says what is followed
