"""The pages of this feature, below a connection's own."""

from django.urls import path

from chappe.features.traces import views

app_name = "traces"

urlpatterns = [
    path("<int:connection_id>/traces/", views.traces, name="list"),
    path("<int:connection_id>/traces/<int:session_id>/", views.trace, name="trace"),
    path("<int:connection_id>/traces/<int:session_id>/stop", views.stop, name="stop"),
    path("<int:connection_id>/traces/<int:session_id>/download.<str:form>", views.download, name="download"),
    path("<int:connection_id>/traces/<int:session_id>/<int:entry_id>/", views.entry, name="entry"),
]
