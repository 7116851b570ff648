"""The pages of this feature."""

from django.urls import path

from chappe.features.hooks import views

app_name = "hooks"

urlpatterns = [
    path("", views.list_hooks, name="list"),
    path("new/", views.create_hook, name="new"),
    path("<int:hook_id>/", views.show_hook, name="hook"),
    path("<int:hook_id>/edit/", views.edit_hook, name="edit"),
    path("<int:hook_id>/switch", views.switch, name="switch"),
    path("<int:hook_id>/rotate", views.rotate, name="rotate"),
    path("<int:hook_id>/delete", views.delete_hook, name="delete"),
]
