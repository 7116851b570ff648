"""The pages of the audit trail."""

from django.urls import path, re_path

from chappe.features.audit import views

app_name = "audit"

urlpatterns = [
    path("", views.show_trail, name="list"),
    path("<int:event_id>/", views.show_event, name="event"),
    re_path(r"^export\.(?P<kind>csv|jsonl)$", views.export, name="export"),
]
