"""The pages of this feature."""

from django.urls import path

from chappe.features.messages import views

app_name = "messages"

urlpatterns = [
    path("", views.search, name="search"),
    path("<int:message_id>/", views.message, name="message"),
]
