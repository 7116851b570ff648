from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "chappe.features.accounts"
    label = "accounts"

    def ready(self) -> None:
        from chappe.features.accounts import trail  # noqa: F401 - says what is followed
