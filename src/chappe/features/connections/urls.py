"""The pages of this feature."""

from django.urls import URLPattern, path

from chappe.features.connections import edit, verify, views, wall, wizard

app_name = "connections"

urlpatterns: list[URLPattern] = [
    path("", views.connections, name="list"),
    path("new/", wizard.pick, name="pick"),
    path("new/<slug:provider>/", wizard.wizard, name="new"),
    path("wall/", wall.wall, name="wall"),
    path("<int:connection_id>/", views.overview, name="overview"),
    path("<int:connection_id>/settings/", edit.edit, name="edit"),
    path("<int:connection_id>/replace/", edit.replacement, name="replace"),
    path("<int:connection_id>/verify/", verify.verify, name="verify"),
    path("<int:connection_id>/performance/", wall.performance, name="performance"),
    path("<int:connection_id>/exchanges/", views.exchanges, name="exchanges"),
    path("<int:connection_id>/hooks/", views.hooks, name="hooks"),
    path("<int:connection_id>/history/", views.past, name="history"),
    path("<int:connection_id>/history/<int:number>/", views.version, name="version"),
    path("<int:connection_id>/history/<int:number>/revert/", views.reverted, name="revert"),
    path("<int:connection_id>/move/", views.moved, name="move"),
    path("<int:connection_id>/switch/", views.switched, name="switch"),
    path("<int:connection_id>/delete/", views.deleted, name="delete"),
]
