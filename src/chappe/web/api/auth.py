"""Who calls: an API key, and what its scopes allow."""

from django.http import HttpRequest
from ninja.errors import AuthorizationError
from ninja.security import HttpBearer

from chappe.features.accounts import services
from chappe.features.accounts.models import ApiKey
from chappe.features.clock import now_ms


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


def organisation_of(request: HttpRequest) -> int:
    """The organisation whose key signed the request: the border of everything a route may see."""
    key = getattr(request, "auth", None)
    assert isinstance(key, ApiKey), "the route has no auth"
    return key.organisation_id
