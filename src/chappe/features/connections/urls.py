"""The pages of this feature."""

from django.urls import URLPattern, path

from chappe.features.connections import wall

app_name = "connections"

urlpatterns: list[URLPattern] = [
    path("wall/", wall.wall, name="wall"),
    path("<int:connection_id>/performance/", wall.performance, name="performance"),
]
