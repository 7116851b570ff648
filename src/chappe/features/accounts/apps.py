from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "chappe.features.accounts"
    label = "accounts"
