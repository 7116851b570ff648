"""Who acts in a request, for the audit trail: an API key, a person who is signed in, or nobody yet."""

from collections.abc import Callable
from functools import partial

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from chappe.features.accounts.models import ApiKey, Operator, User
from chappe.features.audit.actor import Actor, ActorKind, acting_as


class ActingMiddleware:
    """Each request begins with nobody, whoever the thread worked for before.

    Who it is gets known further in (a key is looked up, somebody signs in), so it is asked when something is written.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with acting_as(partial(actor_of, request)):
            return self.get_response(request)


def actor_of(request: HttpRequest) -> Actor:
    """The actor as far as the request has got."""
    address = str(request.META.get("REMOTE_ADDR") or "")
    key = getattr(request, "auth", None)
    if isinstance(key, ApiKey):
        if key.operator is not None:
            return Actor(ActorKind.OPERATOR, key.operator.pk, key.operator.login, address)
        return Actor(ActorKind.KEY, key.pk, key.name, address)
    if isinstance(key, Operator):
        return Actor(ActorKind.OPERATOR, key.pk, key.login, address)
    user = getattr(request, "user", None)
    if isinstance(user, User) and user.is_authenticated:
        return Actor(ActorKind.PERSON, user.pk, user.name, address)
    return Actor(ActorKind.SYSTEM, address=address)
