"""Marketing's pages of this feature."""

from django.urls import path

from chappe.features.relay import step_view

app_name = "mid"

urlpatterns = [
    path("", step_view.list_steps, name="list"),
    path("<int:mid_id>/", step_view.show_step, name="step"),
    path("<int:mid_id>/mend/", step_view.mend, name="mend"),
]
