from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "chappe.web.console"
    label = "console"
