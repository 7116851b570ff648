"""Every address the control plane answers."""

from django.urls import URLPattern, URLResolver, path

from chappe.web.api.api import api
from chappe.web.health import healthz, metrics

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", api.urls),
    path("healthz", healthz, name="healthz"),
    path("metrics", metrics, name="metrics"),
]
