"""The pages about people, their roles, and who is invited."""

from django.urls import path

from chappe.features.accounts import views

app_name = "accounts"

urlpatterns = [
    path("", views.list_people, name="people"),
    path("<int:person_id>/", views.show_person, name="person"),
    path("<int:person_id>/let-in", views.let_in, name="let_in"),
    path("<int:person_id>/password-link", views.make_password_link, name="password_link"),
    path("groups/", views.list_groups, name="groups"),
    path("groups/new/", views.edit_group, name="new_group"),
    path("groups/<int:group_id>/", views.edit_group, name="group"),
    path("groups/<int:group_id>/delete", views.delete_group, name="delete_group"),
    path("roles/", views.show_roles, name="roles"),
    path("organisations/", views.list_organisations, name="organisations"),
    path("invitations/<int:invitation_id>/withdraw", views.withdraw_invitation, name="withdraw_invitation"),
    path("invitation/<str:token>", views.accept_invitation, name="invitation"),
]
