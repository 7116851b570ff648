"""The pages of this feature."""

from django.urls import path

from chappe.features.errors import views

app_name = "errors"

urlpatterns = [
    path("", views.list_errors, name="list"),
    path("<int:error_id>/", views.show_error, name="error"),
    path("<int:error_id>/set-aside", views.set_aside, name="set_aside"),
]
