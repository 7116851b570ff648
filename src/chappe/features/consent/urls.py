"""The pages of this feature."""

from django.urls import path

from chappe.features.consent import keyword_views, views

app_name = "consent"

urlpatterns = [
    path("", views.quarantine, name="quarantine"),
    path("add/", views.add, name="add"),
    path("release/", views.release, name="release"),
    path("export.csv", views.export, name="export"),
    path("ledger/", views.show_ledger, name="ledger"),
    path("ledger/record/", views.record, name="record"),
    path("keywords/", keyword_views.keywords, name="keywords"),
]
