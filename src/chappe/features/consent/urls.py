"""The pages of this feature."""

from django.urls import URLPattern

app_name = "consent"

urlpatterns: list[URLPattern] = []
