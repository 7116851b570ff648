"""The pages of this feature."""

from django.urls import URLPattern

app_name = "hooks"

urlpatterns: list[URLPattern] = []
