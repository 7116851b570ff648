from django.apps import AppConfig


class MessagesConfig(AppConfig):
    name = "chappe.features.messages"
    label = "messages_store"  # Django has a "messages" of its own
