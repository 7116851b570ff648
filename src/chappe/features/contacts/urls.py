"""The pages of this feature."""

from django.urls import path

from chappe.features.contacts import import_views, person_views, views

app_name = "contacts"

urlpatterns = [
    path("", views.lists, name="lists"),
    path("lists/<int:list_id>/", views.show_list, name="list"),
    path("lists/<int:list_id>/add/", views.add_member, name="add"),
    path("lists/<int:list_id>/remove/", views.remove_members, name="remove"),
    path("lists/<int:list_id>/rename/", views.rename_list, name="rename_list"),
    path("lists/<int:list_id>/delete/", views.delete_list, name="delete_list"),
    path("lists/<int:list_id>/import/", import_views.upload, name="upload"),
    path("imports/", import_views.imports, name="imports"),
    path("imports/<int:import_id>/", import_views.show_import, name="import"),
    path("imports/<int:import_id>/discard/", import_views.discard, name="discard"),
    path("imports/<int:import_id>/errors.csv", import_views.errors_file, name="errors_file"),
    path("people/", person_views.people, name="people"),
    path("people/new/", person_views.new_person, name="new_person"),
    path("people/<int:contact_id>/", person_views.person, name="person"),
    path("people/<int:contact_id>/change/", person_views.change_person, name="change_person"),
    path("people/<int:contact_id>/delete/", person_views.delete_person, name="delete_person"),
    path("people/<int:contact_id>/erase/", person_views.erase_person, name="erase_person"),
]
