"""Callers of the API: of the test's organisation, and of another."""

from collections.abc import Callable, Iterator

import pytest
from tests.row import NOW_MS, connection
from tests.web.caller import Caller
from tests.web.desk import Desk

from chappe.features.accounts import services
from chappe.features.accounts.models import Organisation
from chappe.features.connections.models import Connection


@pytest.fixture
def organisation(database: str) -> Organisation:
    return services.create_organisation("Relais", NOW_MS)


@pytest.fixture
def call_as(organisation: Organisation) -> Callable[..., Caller]:
    """Makes a caller of an organisation (the test's own when none is named) with some scopes (all when none are)."""

    def make(*scopes: str, of: Organisation | None = None) -> Caller:
        owner = of or organisation
        return Caller(owner, services.create_api_key(owner, "test", scopes or services.SCOPES, NOW_MS).secret)

    return make


@pytest.fixture
def caller(call_as: Callable[..., Caller]) -> Caller:
    return call_as()


@pytest.fixture
def stranger(call_as: Callable[..., Caller]) -> Caller:
    """Somebody of another organisation, with every scope there."""
    return call_as(of=services.create_organisation("Another", NOW_MS))


@pytest.fixture
def desk(database: str, caller: Caller) -> Iterator[Desk]:
    """The intake on the test's database, asked with a key that may do everything."""
    made = Desk(database, caller.secret)
    yield made
    made.close()


@pytest.fixture
def north(organisation: Organisation) -> Connection:
    """The one connection of the test's organisation."""
    return connection(organisation.pk, settings={"host": "smsc.example.org", "account": "relais"})
