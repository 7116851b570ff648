from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "chappe.web.console"
    label = "console"

    def ready(self) -> None:
        from chappe.features.live import TOPICS, Topic
        from chappe.web.console import home

        TOPICS["home"] = Topic(home.fingerprint, None)
