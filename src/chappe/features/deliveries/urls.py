"""The pages of this feature."""

from django.urls import URLPattern

app_name = "deliveries"

urlpatterns: list[URLPattern] = []
