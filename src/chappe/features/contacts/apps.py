from django.apps import AppConfig


class ContactsConfig(AppConfig):
    name = "chappe.features.contacts"
    label = "contacts"

    def ready(self) -> None:
        from chappe.features.contacts import retention, services, trail  # noqa: F401 - what is kept, kinds of jobs, what is followed
        from chappe.features.live import TOPICS

        TOPICS["import"] = services.import_fingerprint
