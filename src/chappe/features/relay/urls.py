"""The pages of this feature."""

from django.urls import path

from chappe.features.relay import views

app_name = "relay"

urlpatterns = [
    path("", views.list_accounts, name="list"),
    path("<int:account_id>/", views.show_account, name="account"),
    path("<int:account_id>/deliveries/<int:number>/", views.show_delivery, name="delivery"),
    path("<int:account_id>/deliveries/<int:number>/pause", views.pause, name="pause"),
    path("<int:account_id>/deliveries/<int:number>/resume", views.resume, name="resume"),
    path("<int:account_id>/deliveries/<int:number>/cancel/", views.cancel, name="cancel"),
]
