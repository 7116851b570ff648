"""The pages of this feature."""

from django.urls import URLPattern

app_name = "messages"

urlpatterns: list[URLPattern] = []
