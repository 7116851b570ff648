from django.apps import AppConfig


class ContactsConfig(AppConfig):
    name = "chappe.features.contacts"
    label = "contacts"

    def ready(self) -> None:
        from chappe.features.accounts.right import Right
        from chappe.features.contacts import retention, services, trail  # noqa: F401 - what is kept, kinds of jobs, what is followed
        from chappe.features.live import TOPICS, Topic

        TOPICS["import"] = Topic(services.import_fingerprint, Right.SEE_CONTACTS)
