"""The pages about people, their roles, and their own accounts."""

from django.urls import URLPattern

app_name = "accounts"

urlpatterns: list[URLPattern] = []
