from django.apps import AppConfig


class ContactsConfig(AppConfig):
    name = "chappe.features.contacts"
    label = "contacts"

    def ready(self) -> None:
        from chappe.features.contacts import services  # noqa: F401 - names its kinds of jobs
