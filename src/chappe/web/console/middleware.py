"""What every page gets: who looks, in which language, and what a browser may load."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone, translation

from chappe.features.accounts.models import User
from chappe.features.accounts.person import person_of
from chappe.features.settings.services import settings_of

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""No inline script or style, nothing from elsewhere."""

API = "/v1/"
Answer = Callable[[HttpRequest], HttpResponseBase]


class ContentPolicyMiddleware:
    """Says to browsers what pages may load. A view that needs more (a form that leads to a sign-in elsewhere) sets its own."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response


class PersonMiddleware:
    """The person of a request, the language they read, and the clock they go by: their own or their organisation's. No page is
    kept by a cache, also before the sign-in: those of invitations and of forgotten passwords are for one person alone."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # The API has callers of its own, and reading the session would cost it a look into the database.
        if request.path_info.startswith(API):
            return self.get_response(request)
        response = self._answered(request, request.user)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    def _answered(self, request: HttpRequest, user: object) -> HttpResponseBase:
        if not isinstance(user, User):
            return self.get_response(request)
        request.person = person_of(user)  # type: ignore[attr-defined]
        organisation = settings_of(user.organisation_id or 0)
        language = user.language or organisation.language
        if language in dict(settings.LANGUAGES):
            translation.activate(language)
            request.LANGUAGE_CODE = language
        with timezone.override(ZoneInfo(organisation.time_zone)):
            return self.get_response(request)
