"""How a person wants to read the console: language and theme."""

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import translation
from django.views.decorators.http import require_POST

from chappe.features.accounts import services
from chappe.features.accounts.models import User
from chappe.features.view import back, public

A_YEAR_S = 365 * 86_400


@public
@require_POST
def set_language(request: HttpRequest) -> HttpResponseBase:
    """Kept with the person, and in a cookie for pages before the sign-in."""
    answer = back(request)
    language = request.POST.get("language", "")
    if language in dict(settings.LANGUAGES):
        if isinstance(request.user, User):
            services.set_language(request.user, language)
        answer.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            language,
            max_age=A_YEAR_S,
            samesite="Lax",
            secure=request.is_secure(),
            httponly=True,
        )
        translation.activate(language)
    return answer


@public
@require_POST
def set_theme(request: HttpRequest) -> HttpResponseBase:
    theme = request.POST.get("theme", "")
    if isinstance(request.user, User) and theme in services.THEMES:
        services.set_theme(request.user, theme)
    return back(request)
