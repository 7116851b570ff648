"""The pages of this feature."""

from django.urls import path

from chappe.features.callbacks import views

app_name = "callbacks"

urlpatterns = [
    path("", views.list_callbacks, name="list"),
    path("new/", views.create_callback, name="new"),
    path("<int:callback_id>/", views.show_callback, name="callback"),
    path("<int:callback_id>/edit/", views.edit_callback, name="edit"),
    path("<int:callback_id>/switch", views.switch, name="switch"),
    path("<int:callback_id>/test", views.try_callback, name="test"),
    path("<int:callback_id>/rotate", views.rotate, name="rotate"),
    path("<int:callback_id>/replay", views.replay, name="replay"),
    path("<int:callback_id>/delete", views.delete_callback, name="delete"),
]
