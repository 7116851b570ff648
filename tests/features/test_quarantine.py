"""Numbers not to be sent to."""

import pytest
from tests.row import NOW_MS

from chappe.features.accounts.models import Organisation
from chappe.features.consent import services
from chappe.features.consent.models import ConsentEvent, Quarantine
from chappe.features.consent.services import Block
from chappe.features.refusal import Conflict, InvalidInput, NotFound


def add(organisation: Organisation, address: str, **values: str) -> Quarantine:
    return services.add_to_quarantine(organisation.pk, Block(address, **values), NOW_MS)


def found(organisation: Organisation, address: str = "", status: str = "", limit: int = 50) -> list[str]:
    page = services.quarantined(organisation.pk, address, status, "", limit)
    return [row.address for row in page.items]


def test_a_number_is_kept_in_international_form(organisation: Organisation) -> None:
    assert add(organisation, " +33 6 12 34 56 78 ").address == "+33612345678"


@pytest.mark.parametrize("address", ["", "0612345678", "+", "+33", "call me", "+33612345678999999"])
def test_what_is_no_number_is_refused(organisation: Organisation, address: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        add(organisation, address)
    assert caught.value.errors[0].field == "address"
    assert not Quarantine.objects.exists()


def test_an_e_mail_address_may_be_quarantined_for_e_mail(organisation: Organisation) -> None:
    assert add(organisation, "ada@example.org", channel="email").address == "ada@example.org"
    with pytest.raises(InvalidInput):
        add(organisation, "ada", channel="email")


def test_adding_twice_is_one_row_that_says_the_newest(organisation: Organisation) -> None:
    first = add(organisation, "+33612345678", reason="typed by hand")
    second = services.add_to_quarantine(organisation.pk, Block("+33612345678", status="denylisted"), NOW_MS + 9)
    assert first.pk == second.pk
    kept = Quarantine.objects.get()
    assert (kept.status, kept.reason, kept.created_ms, kept.changed_ms) == ("denylisted", "", NOW_MS, NOW_MS + 9)


def test_one_number_may_be_quarantined_for_several_short_codes(organisation: Organisation) -> None:
    add(organisation, "+33612345678", short_code="36180")
    add(organisation, "+33612345678", short_code="36181")
    assert found(organisation) == ["+33612345678", "+33612345678"]


def test_a_released_number_stays_in_the_table_so_that_the_engines_hear_of_it(organisation: Organisation) -> None:
    row = add(organisation, "+33612345678")
    Quarantine.objects.update(error_count=4)
    services.release(organisation.pk, row.pk, "asked by phone", NOW_MS + 9)
    kept = Quarantine.objects.get()
    assert (kept.status, kept.reason, kept.error_count, kept.changed_ms) == ("valid", "asked by phone", 0, NOW_MS + 9)


def test_what_is_not_quarantined_cannot_be_released(organisation: Organisation) -> None:
    row = add(organisation, "+33612345678")
    services.release(organisation.pk, row.pk, "", NOW_MS)
    with pytest.raises(Conflict):
        services.release(organisation.pk, row.pk, "", NOW_MS)


def test_a_number_is_found_by_how_it_begins_with_or_without_its_plus(organisation: Organisation) -> None:
    add(organisation, "+33612345678")
    add(organisation, "+4915112345678")
    assert found(organisation, "+336") == ["+33612345678"]
    assert found(organisation, " 336") == ["+33612345678"]
    assert found(organisation, "%") == []


def test_a_status_narrows_the_list(organisation: Organisation) -> None:
    add(organisation, "+33612345678", status="denylisted")
    add(organisation, "+4915112345678")
    assert found(organisation, status="denylisted") == ["+33612345678"]
    with pytest.raises(InvalidInput):
        found(organisation, status="blocked")


def test_pages_follow_each_other_without_gap_or_repeat_while_rows_arrive(organisation: Organisation) -> None:
    for last in range(5):
        add(organisation, f"+3361234567{last}")
    first = services.quarantined(organisation.pk, "", "", "", 2)
    add(organisation, "+33612345679")
    assert first.next is not None
    second = services.quarantined(organisation.pk, "", "", first.next, 2)
    assert second.next is not None
    third = services.quarantined(organisation.pk, "", "", second.next, 2)
    assert [row.address[-1] for page in (first, second, third) for row in page.items] == ["4", "3", "2", "1", "0"]
    assert third.next is None


@pytest.mark.parametrize(
    ("cursor", "limit", "field"), [("x", 50, "cursor"), ("9" * 30, 50, "cursor"), ("", 0, "limit")]
)
def test_a_page_that_cannot_be_is_refused(organisation: Organisation, cursor: str, limit: int, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        services.quarantined(organisation.pk, "", "", cursor, limit)
    assert caught.value.errors[0].field == field


def test_a_stranger_sees_and_releases_nothing(organisation: Organisation) -> None:
    row = add(organisation, "+33612345678")
    stranger = Organisation.objects.create(name="Another")
    assert found(stranger) == []
    with pytest.raises(NotFound):
        services.release(stranger.pk, row.pk, "", NOW_MS)
    with pytest.raises(NotFound):
        services.find_quarantined(organisation.pk, 10**40)


def test_numbers_that_begin_so_are_paged_by_number_however_they_are_written(organisation: Organisation) -> None:
    numbers = [f"+3361234567{digit}" for digit in (3, 1, 2)]
    for number in [*numbers, "+33700000000"]:
        add(organisation, number)
    Quarantine.objects.create(organisation_id=organisation.pk, address="33612345679", status="quarantine")
    seen, cursor = [], ""
    while True:
        page = services.quarantined(organisation.pk, "+33 6 12", "quarantine", cursor, 2)
        seen += [row.address for row in page.items]
        if page.next is None:
            break
        cursor = page.next
    assert seen == [*sorted(numbers), "33612345679"]


def test_many_are_released_at_once_and_only_ours(organisation: Organisation) -> None:
    other = Organisation.objects.create(name="Another")
    first, second = add(organisation, "+33612345678"), add(organisation, "+33612345679", status="denylisted")
    theirs = add(other, "+33612345670")
    ids = [first.pk, second.pk, theirs.pk, 2**70]
    assert services.release_many(organisation.pk, ids, "moved numbers", NOW_MS + 9) == 2
    assert services.release_many(organisation.pk, ids, "again", NOW_MS + 9) == 0
    assert found(organisation, status="valid") == [second.address, first.address]
    assert found(other, status="quarantine") == [theirs.address]
    assert ConsentEvent.objects.filter(address=second.address).order_by("-pk")[0].is_given
    with pytest.raises(InvalidInput):
        services.release_many(organisation.pk, [1] * (services.MOST_AT_ONCE + 1), "", NOW_MS)
