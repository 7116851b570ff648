"""The pages of this feature."""

from django.urls import URLPattern

app_name = "callbacks"

urlpatterns: list[URLPattern] = []
