"""Every address the control plane answers."""

from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import URLPattern, URLResolver, include, path

from chappe.web.api.api import api
from chappe.web.health import healthz, metrics


def no_such_page(request: HttpRequest) -> HttpResponseBase:
    raise Http404


urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", api.urls),
    path("healthz", healthz, name="healthz"),
    path("metrics", metrics, name="metrics"),
    # The address is the name that people sign in with: nobody takes another by themselves.
    path("account/email/", no_such_page),
    path("account/", include("allauth.urls")),
    path("people/", include("chappe.features.accounts.urls")),
    path("connections/", include("chappe.features.connections.urls")),
    path("connections/", include("chappe.features.traces.urls")),
    path("contacts/", include("chappe.features.contacts.urls")),
    path("consent/", include("chappe.features.consent.urls")),
    path("deliveries/", include("chappe.features.deliveries.urls")),
    path("deliveries/", include("chappe.features.templates.urls")),
    path("inbox/", include("chappe.features.inbox.urls")),
    path("errors/", include("chappe.features.errors.urls")),
    path("messages/", include("chappe.features.messages.urls")),
    path("hooks/", include("chappe.features.hooks.urls")),
    path("callbacks/", include("chappe.features.callbacks.urls")),
    path("relay/", include("chappe.features.relay.urls")),
    path("mid/", include("chappe.features.relay.step_urls")),
    path("audit/", include("chappe.features.audit.urls")),
    path("keys/", include("chappe.features.keys.urls")),
    path("settings/", include("chappe.features.settings.urls")),
    path("", include("chappe.web.console.urls")),
]
