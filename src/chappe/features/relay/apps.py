from django.apps import AppConfig


class RelayConfig(AppConfig):
    name = "chappe.features.relay"
    label = "relay"

    def ready(self) -> None:
        from chappe.features.relay import trail  # noqa: F401 - says what is followed
