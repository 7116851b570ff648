"""The ledger of consent, as it is written by hand and by the API."""

import pytest

from chappe.features.accounts.models import Organisation
from chappe.features.consent import services
from chappe.features.consent.ledger import Wish, ledger_page, record_wish
from chappe.features.consent.models import Quarantine
from chappe.features.refusal import InvalidInput

MARIE = "+33612345678"


def lines(organisation: Organisation, address: str = MARIE, channel: str = "sms") -> list[tuple[bool, str, str]]:
    """The newest first: yes or no, the door, what was said."""
    items = ledger_page(organisation.pk, address, channel, "", 50).items
    return [(row.is_given, row.source, row.evidence) for row in items]


def status(organisation: Organisation, address: str = MARIE) -> str:
    return Quarantine.objects.get(organisation_id=organisation.pk, address=address, short_code="").status


def test_a_no_stops_and_a_yes_releases_and_both_stay_in_the_ledger(organisation: Organisation) -> None:
    record_wish(organisation.pk, Wish("+33 6 12 34 56 78", is_given=False, evidence="by post"), 1)
    assert status(organisation) == "denylisted"
    record_wish(organisation.pk, Wish(MARIE, is_given=True, evidence="web form"), 2)
    assert status(organisation) == "valid"
    assert lines(organisation) == [(True, "api", "web form"), (False, "api", "by post")]


def test_what_is_said_of_rcs_holds_for_sms_and_what_of_e_mail_does_not(organisation: Organisation) -> None:
    record_wish(organisation.pk, Wish(MARIE, is_given=False, channel="rcs"), 1)
    record_wish(organisation.pk, Wish("marie@example.org", is_given=False, channel="email"), 2)
    assert [(row.channel, row.address) for row in Quarantine.objects.order_by("id")] == [
        ("sms", MARIE),
        ("email", "marie@example.org"),
    ]


def test_a_number_denylisted_and_released_by_hand_is_in_the_ledger(organisation: Organisation) -> None:
    row = services.add_to_quarantine(organisation.pk, services.Block(MARIE, status="denylisted", reason="called us"), 1)
    services.release(organisation.pk, row.pk, "asked again", 2)
    assert lines(organisation) == [(True, "api", "asked again"), (False, "api", "called us")]


def test_a_number_that_does_not_work_is_no_wish(organisation: Organisation) -> None:
    row = services.add_to_quarantine(organisation.pk, services.Block(MARIE, reason="errors"), 1)
    services.release(organisation.pk, row.pk, "works again", 2)
    assert lines(organisation) == []


def test_another_organisation_sees_and_changes_nothing(organisation: Organisation) -> None:
    stranger = Organisation.objects.create(name="Others")
    record_wish(stranger.pk, Wish(MARIE, is_given=False), 1)
    assert lines(organisation) == []
    assert not Quarantine.objects.filter(organisation_id=organisation.pk).exists()


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        (Wish("nobody", is_given=False), "address"),
        (Wish("marie", is_given=False, channel="email"), "address"),
        (Wish(MARIE, is_given=False, channel="pigeon"), "channel"),
        (Wish(MARIE, is_given=False, evidence="x" * 401), "evidence"),
        (Wish(MARIE, is_given=False, sender="x" * 65), "sender"),
    ],
)
def test_what_cannot_be_written_down_is_named_and_changes_nothing(
    organisation: Organisation, wish: Wish, field: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        record_wish(organisation.pk, wish, 1)
    assert [error.field for error in refusal.value.errors] == [field]
    assert not Quarantine.objects.exists()
