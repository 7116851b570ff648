from django.apps import AppConfig


class ErrorsConfig(AppConfig):
    """Pages alone: what errors mean is kept by the connections."""

    name = "chappe.features.errors"
    label = "errors"
