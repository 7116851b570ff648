from django.apps import AppConfig


class CallbacksConfig(AppConfig):
    name = "chappe.features.callbacks"
    label = "callbacks"

    def ready(self) -> None:
        from chappe.features.callbacks import trail  # noqa: F401 - says what is followed
