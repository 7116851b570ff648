"""The pages of this feature."""

from django.urls import URLPattern, path

from chappe.features.deliveries import views

app_name = "deliveries"

urlpatterns: list[URLPattern] = [
    path("", views.list_deliveries, name="list"),
    path("new/", views.new, name="new"),
    path("composer/", views.composer, name="composer"),
    path("<int:delivery_id>/", views.show, name="delivery"),
    path("<int:delivery_id>/edit/", views.edit, name="edit"),
    path("<int:delivery_id>/duplicate/", views.duplicate, name="duplicate"),
    path("<int:delivery_id>/analyse/", views.analyse, name="analyse"),
    path("<int:delivery_id>/revise/", views.revise, name="revise"),
    path("<int:delivery_id>/confirm/", views.confirm, name="confirm"),
    path("<int:delivery_id>/pause/", views.pause, name="pause"),
    path("<int:delivery_id>/resume/", views.resume, name="resume"),
    path("<int:delivery_id>/cancel/", views.cancel, name="cancel"),
    path("<int:delivery_id>/delete/", views.delete, name="delete"),
    path("<int:delivery_id>/proof/", views.show_proof, name="proof"),
    path("<int:delivery_id>/proof/numbers/", views.keep_number, name="keep_number"),
    path("<int:delivery_id>/proof/numbers/<int:number_id>/forget/", views.forget_number, name="forget_number"),
    path("<int:delivery_id>/report/", views.report, name="report"),
    path("<int:delivery_id>/report/figures.csv", views.figures, name="figures"),
    path("<int:delivery_id>/messages/", views.list_messages, name="messages"),
    path("<int:delivery_id>/messages.csv", views.messages_file, name="messages_file"),
]
