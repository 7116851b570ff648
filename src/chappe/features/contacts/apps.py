from django.apps import AppConfig


class ContactsConfig(AppConfig):
    name = "chappe.features.contacts"
    label = "contacts"

    def ready(self) -> None:
        from chappe.features.contacts import services, trail  # noqa: F401 - kinds of jobs, and what is followed
