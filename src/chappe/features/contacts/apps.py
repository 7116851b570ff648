from django.apps import AppConfig


class ContactsConfig(AppConfig):
    name = "chappe.features.contacts"
    label = "contacts"
