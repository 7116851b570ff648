"""Who calls: an API key, and what its scopes allow; or an operator, for another Chappe."""

from django.db import DatabaseError
from django.http import HttpRequest
from ninja.errors import AuthorizationError
from ninja.security import HttpBearer
from ninja.security.http import HttpAuthBase

from chappe.features.accounts import services
from chappe.features.accounts.models import ApiKey, Operator
from chappe.features.clock import now_ms
from chappe.web.api.problem import NotSignedIn, TooOften
from chappe.web.basic import CHALLENGE, SCHEME, read_basic
from chappe.web.failures import Failures, address_of


class ApiKeyAuth(HttpBearer):
    """Lets through keys that have `scope`. Another scope is not enough: `manage` alone may not read."""

    def __init__(self, scope: str) -> None:
        assert scope in services.SCOPES
        self.scope = scope
        super().__init__()

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey | None:
        key = services.authenticate(token, now_ms())
        if key is not None and self.scope not in key.granted:
            raise AuthorizationError(message=f"This API key does not have the scope {self.scope}.")
        return key


may_read = ApiKeyAuth("read")
may_send = ApiKeyAuth("send")
may_manage = ApiKeyAuth("manage")


class OperatorAuth(HttpAuthBase):
    """Lets through operators that have the right `administration`: with login and password or key, or with a key alone.

    An address that came with too much that proves nothing is refused before a password is looked at, unless that proved right
    a moment ago. A key that is good always passes.
    """

    openapi_scheme = SCHEME

    def __init__(self) -> None:
        self._failures = Failures()
        super().__init__()

    def __call__(self, request: HttpRequest) -> Operator:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() not in (SCHEME, "bearer") or not token.strip():
            raise NotSignedIn(SIGN_IN, CHALLENGE)
        address = address_of((request.META.get("REMOTE_ADDR", ""), 0))
        wait_ms = self._failures.add(address)
        try:
            found = _operator(scheme.lower(), token.strip(), is_patient=not wait_ms)
        except DatabaseError:
            self._failures.take_back(address)  # it did not say that anything is wrong
            raise
        if found is None:
            if wait_ms:
                raise TooOften("Too many requests came from this address that did not sign in.", -(-wait_ms // 1000))
            raise NotSignedIn(
                "The login, the password or the key is wrong, or the operator is switched off.", CHALLENGE
            )
        if not wait_ms:
            self._failures.take_back(address)
        if services.ADMINISTRATION not in found.scopes:
            raise AuthorizationError(message=f"The operator {found.login} does not have the right administration.")
        return found


SIGN_IN = "Sign in as an operator: login and password, or login and key, as HTTP Basic has them."


def _operator(scheme: str, token: str, *, is_patient: bool) -> Operator | None:
    if scheme == SCHEME:
        given = read_basic(token)
        return services.sign_in_operator(*given, now_ms(), is_patient=is_patient) if given is not None else None
    key = services.authenticate(token, now_ms())
    return key.operator if key is not None else None


may_relay = OperatorAuth()


def operator_of(request: HttpRequest) -> Operator:
    """The operator that signed in: a route shows it its own account, and nothing else."""
    found = getattr(request, "auth", None)
    assert isinstance(found, Operator), "the route has no OperatorAuth"
    return found


def organisation_of(request: HttpRequest) -> int:
    """The organisation whose key signed the request: the border of everything a route may see."""
    key = getattr(request, "auth", None)
    assert isinstance(key, ApiKey), "the route has no auth"
    return key.organisation_id
