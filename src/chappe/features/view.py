"""How a page is made: who may open it, how a service's refusal becomes words on it.

Every view carries its rule, in `rule`; a test walks all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from typing import Any, Concatenate, ParamSpec, cast
from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from chappe.features.accounts.person import Person, person_of
from chappe.features.accounts.right import Right
from chappe.features.refusal import Conflict, InvalidInput, NotFound
from chappe.features.words import localised

Parameters = ParamSpec("Parameters")
SAFE = ("GET", "HEAD", "OPTIONS")


class PageRequest(HttpRequest):
    """A request that a view with a rule gets."""

    person: Person


@dataclass(frozen=True)
class Rule:
    """Who may open a page, and who may change something by it. None: everybody who is signed in."""

    right: Right | None
    change: Right | None
    is_public: bool = False

    def needed(self, method: str) -> Right | None:
        return self.right if method in SAFE else self.change


View = Callable[Concatenate[PageRequest, Parameters], HttpResponseBase]
Opened = Callable[Concatenate[HttpRequest, Parameters], HttpResponseBase]


def page(
    right: Right | None = None, *, change: Right | None = None
) -> Callable[[View[Parameters]], Opened[Parameters]]:
    """A view for people of an organisation who have `right`; for what changes something, `change` (else the same)."""
    rule = Rule(right, change or right)

    def ruled(view: View[Parameters]) -> Opened[Parameters]:
        @wraps(view)
        def opened(request: HttpRequest, *args: Parameters.args, **kwargs: Parameters.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return sign_in_first(request)
            person = getattr(request, "person", None) or person_of(request.user)
            if person is None:
                return no_organisation(request)
            request.person = person  # type: ignore[attr-defined]
            needed = rule.needed(request.method or "GET")
            if needed is not None and not person.may(needed):
                return forbidden(request, needed)
            return _answered(view, request, *args, **kwargs)

        opened.rule = rule  # type: ignore[attr-defined]
        return cast(Opened[Parameters], opened)

    return ruled


def public(view: Opened[Parameters]) -> Opened[Parameters]:
    """A view for everybody, signed in or not."""
    view.rule = Rule(None, None, is_public=True)  # type: ignore[attr-defined]
    return view


def _answered(view: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
    try:
        answer: HttpResponseBase = view(request, *args, **kwargs)
    except NotFound as error:
        return not_found(request, localised(str(error)))
    except (Conflict, InvalidInput) as error:
        if request.method in SAFE:  # a cursor or a filter that is none
            return render(request, "console/refused.html", {"words": refusal(error)}, status=400)
        messages.error(request, refusal(error))
        return back(request)
    except StopIteration as error:  # no future takes one: nobody would answer the request, nor say why
        raise RuntimeError("a page ran out of something that it looked for") from error
    if answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return _only_by_a_form(request, answer)
    return answer


def refusal(error: Conflict | InvalidInput) -> str:
    """Why it was not done, for people: without the names that fields have in the API."""
    if isinstance(error, InvalidInput):
        return " ".join(localised(one.message) for one in error.errors)
    return localised(str(error))


def back(request: HttpRequest, otherwise: str = "/") -> HttpResponseBase:
    """To the page whose form this was, by its field `next` or by what the browser says."""
    return HttpResponseRedirect(_page_before(request) or otherwise)


def _page_before(request: HttpRequest) -> str:
    """The path of the page whose form this was; "" where nobody says, or says something else than a page of ours."""
    for target in (request.POST.get("next", ""), request.headers.get("Referer", "")):
        if url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
            parts = urlsplit(target)
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            # The host was ours, but what is left may name another: of "https://ours//theirs/", "//theirs/".
            if path.startswith("/") and url_has_allowed_host_and_scheme(path, None):
                return path
    return ""


def sign_in_first(request: HttpRequest) -> HttpResponseBase:
    """To the sign-in, and from there to the page that was asked for, or whose form this was: what a form was to do is not
    done by going to its address later."""
    if request.headers.get("HX-Request"):
        return HttpResponse(
            status=403
        )  # which htmx leaves alone; the sign-in would take the place of a part of the page
    return redirect_to_login(request.get_full_path() if request.method in SAFE else _page_before(request) or "/")


def forbidden(request: HttpRequest, needed: Right | None = None) -> HttpResponseBase:
    """The right that is needed; None where no right is enough: it is for whoever administers the installation."""
    return render(request, "console/forbidden.html", {"needed": needed}, status=403)


def not_found(request: HttpRequest, words: str = "") -> HttpResponseBase:
    return render(request, "console/not_found.html", {"words": words}, status=404)


def _only_by_a_form(request: HttpRequest, answer: HttpResponseBase) -> HttpResponseBase:
    """Words in the place of the empty answer: a button's address was opened by hand, or loaded again."""
    shown = {"words": _("A button leads here. Opened by itself, this address does nothing.")}
    told = render(request, "console/not_found.html", shown, status=answer.status_code)
    told["Allow"] = answer.headers["Allow"]
    return told


def no_organisation(request: HttpRequest) -> HttpResponseBase:
    return render(request, "console/no_organisation.html", status=403)
