"""What an organisation settles for itself: refused by its field, counted, written down, and heeded where it is used."""

from typing import Any

import msgspec
import pytest
from django.conf import settings as django_settings
from tests.row import NOW_MS

from chappe.features.accounts.models import Organisation
from chappe.features.accounts.services import create_organisation
from chappe.features.audit.models import AuditEvent
from chappe.features.callbacks import services as callbacks
from chappe.features.connections import services as connections
from chappe.features.refusal import Conflict, InvalidInput, NotFound
from chappe.features.settings import egress, services
from chappe.features.settings.models import OrganisationSettings
from chappe.features.settings.services import Change, change_settings, quiet_hours_of, settings_of

NIGHT = {"start": 1200, "end": 480, "days": [1, 2, 3, 4, 5]}
SMPP = {"host": "10.1.2.3", "account": "relais", "password": "secret"}
URL = "https://example.org/told"


def refused(organisation: Organisation, **values: Any) -> set[str]:
    """The fields that a change is refused by."""
    with pytest.raises(InvalidInput) as error:
        change_settings(organisation.pk, Change(**values), NOW_MS)
    return {one.field for one in error.value.errors}


def test_an_organisation_begins_with_the_defaults(organisation: Organisation) -> None:
    row = settings_of(organisation.pk)
    assert (row.language, row.region, row.time_zone, row.allowed_networks) == ("", "", "UTC", "*")
    assert quiet_hours_of(row) is None
    assert not OrganisationSettings.objects.exists()


def test_what_is_changed_is_kept_counted_and_written_down(organisation: Organisation) -> None:
    change = Change(language="fr", region="fr", time_zone="Europe/Paris", quiet_periods=[NIGHT])
    row = change_settings(organisation.pk, change, NOW_MS)
    assert (row.language, row.region, row.version, row.changed_ms) == ("fr", "FR", 1, NOW_MS)
    found = quiet_hours_of(settings_of(organisation.pk))
    assert found is not None and found.zone == "Europe/Paris"
    again = change_settings(organisation.pk, Change(language="fr"), NOW_MS + 1)
    assert (again.version, again.changed_ms) == (1, NOW_MS)
    event = AuditEvent.objects.filter(subject_kind="settings").get()
    assert event.after["time_zone"] == "Europe/Paris"


def test_what_cannot_be_is_refused_by_its_field_and_nothing_is_kept(organisation: Organisation) -> None:
    wrong = {
        "language": "de",
        "region": "XX",
        "time_zone": "Paris",
        "quiet_periods": [{**NIGHT, "end": 2000}],
        "quiet_action": "shout",
        "allowed_networks": "10.0.0.0/99",
        "unknown_error_kind": "perhaps",
        "retention": {"messages": 3, "inbound": 100_000, "moods": 4, "texts": -1},
    }
    assert refused(organisation, **wrong) == {
        *("language", "region", "time_zone", "quiet_periods[0].end", "quiet_action", "allowed_networks"),
        *("unknown_error_kind", "retention.messages", "retention.inbound", "retention.moods", "retention.texts"),
    }
    assert not OrganisationSettings.objects.exists()


def test_whoever_changes_what_somebody_else_changed_is_told(organisation: Organisation) -> None:
    change_settings(organisation.pk, Change(language="fr", version=0), NOW_MS)
    with pytest.raises(Conflict):
        change_settings(organisation.pk, Change(region="FR", version=0), NOW_MS)
    with pytest.raises(NotFound):
        change_settings(organisation.pk + 1, Change(region="FR"), NOW_MS)


def test_a_new_connection_takes_the_organisations_word_on_unknown_errors_unless_it_has_its_own(
    organisation: Organisation,
) -> None:
    change_settings(organisation.pk, Change(unknown_error_kind="ignored"), NOW_MS)
    made = connections.create_connection(organisation.pk, "North", "smpp", SMPP, NOW_MS)
    own = connections.create_connection(
        organisation.pk, "South", "smpp", {**SMPP, "default_error_kind": "hard"}, NOW_MS
    )
    assert [row.settings["default_error_kind"] for row in (made, own)] == ["ignored", "hard"]


# -- what may be called ------------------------------------------------------------------------------------------------


def connect(organisation: Organisation, networks: str, name: str = "North") -> int:
    settings = {**SMPP, "allowed_networks": networks}
    return connections.create_connection(organisation.pk, name, "smpp", settings, NOW_MS).pk


@pytest.mark.parametrize("listed", ["192.168.0.0/16", "10.0.0.0/8", "smsc.intern", "10.1.0.0/16, 127.0.0.1", "::1"])
def test_a_connection_lists_no_network_that_its_organisation_does_not(organisation: Organisation, listed: str) -> None:
    change_settings(organisation.pk, Change(allowed_networks="10.1.0.0/16, gateway.intern"), NOW_MS)
    with pytest.raises(InvalidInput) as error:
        connect(organisation, listed)
    (one,) = error.value.errors
    assert one.field == "settings.allowed_networks"
    assert "the settings of the organisation" in one.message


def test_what_the_organisation_lists_a_connection_may_list_in_part(organisation: Organisation) -> None:
    change_settings(organisation.pk, Change(allowed_networks="10.1.0.0/16, gateway.intern"), NOW_MS)
    assert connect(organisation, "10.1.2.0/24, Gateway.intern")
    assert connect(organisation, "", name="Public")


def test_a_connection_whose_network_is_forbidden_later_can_still_be_changed(organisation: Organisation) -> None:
    number = connect(organisation, "10.1.0.0/16")
    change_settings(organisation.pk, Change(allowed_networks=""), NOW_MS)
    change = connections.Change(settings={"window": 5})
    assert connections.change_connection(organisation.pk, number, change, NOW_MS).settings["window"] == 5
    with pytest.raises(InvalidInput):
        connections.change_connection(
            organisation.pk, number, connections.Change(settings={"allowed_networks": "10.1.0.0/24"}), NOW_MS
        )


def test_a_callback_lists_no_network_that_its_organisation_does_not(organisation: Organisation) -> None:
    change_settings(organisation.pk, Change(allowed_networks="10.1.0.0/16"), NOW_MS)
    made = callbacks.create_endpoint(organisation.pk, URL, NOW_MS, allowed_networks="10.1.2.3")
    with pytest.raises(InvalidInput) as error:
        callbacks.change_endpoint(
            organisation.pk, made.row.pk, callbacks.Change(allowed_networks="192.168.1.1"), NOW_MS
        )
    assert [one.field for one in error.value.errors] == ["allowed_networks"]


def test_the_installation_has_the_last_word(organisation: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = msgspec.structs.replace(django_settings.CONFIGURATION, egress_ceiling="10.0.0.0/8")
    monkeypatch.setattr(django_settings, "CONFIGURATION", configuration)
    change_settings(organisation.pk, Change(allowed_networks="10.0.0.0/8, 192.168.0.0/16"), NOW_MS)
    assert connect(organisation, "10.1.2.3")
    with pytest.raises(InvalidInput, match="the settings of this installation"):
        connect(organisation, "192.168.1.1", name="South")
    assert [bound.owner for bound in egress.bounds_of(organisation.pk)] == [egress.INSTALLATION, egress.ORGANISATION]


def test_what_a_narrower_bound_would_cut_off_is_named_beforehand(organisation: Organisation) -> None:
    connect(organisation, "10.1.0.0/16, smsc.intern")
    callbacks.create_endpoint(organisation.pk, URL, NOW_MS, allowed_networks="192.168.0.0/24")
    found = egress.beyond(organisation.pk, "10.0.0.0/8")
    assert [(one.kind, one.name, one.entries) for one in found] == [
        ("connection", "North", ("smsc.intern",)),
        ("callback", URL, ("192.168.0.0/24",)),
    ]
    assert egress.beyond(organisation.pk, "*") == []


def test_another_organisation_is_bound_by_its_own_settings(organisation: Organisation) -> None:
    change_settings(organisation.pk, Change(allowed_networks=""), NOW_MS)
    other = create_organisation("Other", NOW_MS)
    assert connect(other, "10.1.2.3")
    assert services.settings_of(other.pk).allowed_networks == "*"
