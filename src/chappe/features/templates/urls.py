"""The pages of this feature."""

from django.urls import URLPattern, path

from chappe.features.templates import views

app_name = "templates"

urlpatterns: list[URLPattern] = [
    path("templates/", views.list_templates, name="list"),
    path("templates/<int:template_id>/", views.show, name="template"),
    path("templates/<int:template_id>/edit/", views.edit, name="edit"),
    path("templates/<int:template_id>/duplicate/", views.duplicate, name="duplicate"),
    path("templates/<int:template_id>/delete/", views.delete, name="delete"),
    path("<int:delivery_id>/template/", views.keep, name="keep"),
]
