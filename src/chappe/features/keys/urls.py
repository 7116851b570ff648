"""The pages of API keys and operators."""

from django.urls import path

from chappe.features.keys import views

app_name = "keys"

urlpatterns = [
    path("", views.list_keys, name="list"),
    path("new/", views.new_key, name="new"),
    path("<int:key_id>/revoke/", views.revoke_key, name="revoke"),
    path("operators/", views.list_operators, name="operators"),
    path("operators/new/", views.new_operator, name="new_operator"),
    path("operators/<int:operator_id>/", views.show_operator, name="operator"),
    path("operators/<int:operator_id>/change/", views.edit_operator, name="change_operator"),
    path("operators/<int:operator_id>/password/", views.operator_password, name="operator_password"),
    path("operators/<int:operator_id>/password/remove", views.remove_password, name="remove_password"),
    path("operators/<int:operator_id>/switch", views.switch_operator, name="switch_operator"),
    path("operators/<int:operator_id>/delete/", views.delete_operator, name="delete_operator"),
    path("operators/<int:operator_id>/keys/new/", views.new_operator_key, name="new_operator_key"),
]
