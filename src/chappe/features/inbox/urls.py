"""The pages of this feature."""

from django.urls import path

from chappe.features.inbox import views

app_name = "inbox"

urlpatterns = [
    path("", views.show_inbox, name="list"),
    path("<int:conversation_id>/", views.show_conversation, name="conversation"),
    path("<int:conversation_id>/assign", views.assign, name="assign"),
    path("<int:conversation_id>/leave-alone", views.leave_alone, name="leave_alone"),
    path("<int:conversation_id>/close", views.close, name="close"),
]
