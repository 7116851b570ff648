"""Which private networks and hosts the connections and callbacks of an organisation may be allowed to call.

Each lists its own. What it may list is bounded by the organisation's administrators, and by whoever runs the installation
(`CHAPPE_EGRESS_CEILING`). Checked when it is saved, and again whenever something is called.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings as django_settings

from chappe.engine.net.egress import Bound
from chappe.features.callbacks.models import CallbackEndpoint
from chappe.features.connections.models import Connection
from chappe.features.refusal import InvalidInput
from chappe.features.relay.models import RelayAccount
from chappe.features.settings.models import OrganisationSettings
from chappe.providers.smpp_settings import allowed_networks

INSTALLATION = "the settings of this installation"
ORGANISATION = "the settings of the organisation"


@dataclass(frozen=True)
class Listed:
    """Networks and hosts that a `connection`, a `callback` or another installation's account (`relay`) lists."""

    kind: str
    id: int
    name: str
    entries: tuple[str, ...]


def ceiling() -> str:
    """What is bounded for everybody here; `*`: nothing."""
    text: str = django_settings.CONFIGURATION.egress_ceiling
    return text


def bounds_of(organisation_id: int) -> tuple[Bound, ...]:
    """The bounds that hold for an organisation."""
    row = OrganisationSettings.objects.filter(organisation_id=organisation_id).only("allowed_networks").first()
    own = Bound.of(row.allowed_networks, ORGANISATION) if row is not None else ()
    return Bound.of(ceiling(), INSTALLATION) + own


def refuse_unlisted(organisation_id: int, text: str, field: str) -> None:
    """Raises InvalidInput naming `field` where networks or hosts are listed that may not be called."""
    for bound in bounds_of(organisation_id) if text.strip() else ():
        entries = uncovered(text, (bound,))
        if entries:
            raise InvalidInput.at(field, f"{entries[0]} may not be allowed: {bound.owner} do not list it")


def uncovered(text: str, bounds: tuple[Bound, ...]) -> tuple[str, ...]:
    """The entries of a list that one of the bounds does not cover. What cannot be read is left to whoever reads it."""
    try:
        networks, hosts = allowed_networks(text)
    except ValueError:
        return ()
    return tuple(str(entry) for entry in [*networks, *hosts] if not all(bound.covers(entry) for bound in bounds))


def beyond(organisation_id: int, text: str) -> list[Listed]:
    """What is listed now and would not be called any more if `text` were the organisation's bound."""
    bounds = Bound.of(text, ORGANISATION)
    lists = _lists(organisation_id) if bounds else ()
    found = (Listed(one.kind, one.id, one.name, uncovered(" ".join(one.entries), bounds)) for one in lists)
    return [one for one in found if one.entries]


def listed(organisation_id: int) -> list[Listed]:
    """What connections and callbacks list now."""
    return [one for one in _lists(organisation_id) if one.entries]


def _lists(organisation_id: int) -> Iterator[Listed]:
    for connection in Connection.objects.filter(organisation_id=organisation_id, replaced_by=0).order_by(
        "position", "pk"
    ):
        text = str(connection.settings.get("allowed_networks", ""))
        yield Listed("connection", connection.pk, connection.name, _entries(text))
    for endpoint in CallbackEndpoint.objects.filter(organisation_id=organisation_id, deleted_ms=0).order_by("pk"):
        yield Listed("callback", endpoint.pk, endpoint.url.partition("?")[0], _entries(endpoint.allowed_networks))
    for account in RelayAccount.objects.filter(organisation_id=organisation_id).order_by("pk"):
        yield Listed("relay", account.pk, account.operator, _entries(account.allowed_networks))


def _entries(text: str) -> tuple[str, ...]:
    """What cannot be read is left to whoever reads it."""
    try:
        networks, hosts = allowed_networks(text)
    except ValueError:
        return ()
    return tuple(str(entry) for entry in [*networks, *hosts])
