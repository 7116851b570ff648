"""The pages of an organisation's settings."""

from django.urls import path

from chappe.features.settings import views

app_name = "settings"

urlpatterns = [
    path("", views.overview, name="overview"),
    path("organisation/", views.organisation, name="organisation"),
    path("quiet-hours/", views.quiet_hours, name="quiet_hours"),
    path("retention/", views.retention, name="retention"),
    path("networks/", views.networks, name="networks"),
]
