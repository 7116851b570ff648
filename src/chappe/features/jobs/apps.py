from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "chappe.features.jobs"
    label = "jobs"
