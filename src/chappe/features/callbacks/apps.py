from django.apps import AppConfig


class CallbacksConfig(AppConfig):
    name = "chappe.features.callbacks"
    label = "callbacks"

    def ready(self) -> None:
        from chappe.features.callbacks import retention, trail  # noqa: F401 - say what is kept, and what is followed
