"""Who may not see numbers finds nobody's out: not by beginnings, and not from the addresses of pages."""

from collections.abc import Callable

import pytest
from tests.console.browser import Browser, Page
from tests.row import NOW_MS

from chappe.features.accounts.models import Organisation
from chappe.features.consent import services as consent
from chappe.features.contacts import services as contacts

NUMBERS = [f"+336123456{number:02d}" for number in range(60)]
PEOPLE = "/contacts/people/"
QUARANTINE = "/consent/"


@pytest.fixture
def list_id(organisation: Organisation) -> int:
    """A list of sixty people, all of them in quarantine."""
    made = contacts.create_list(organisation.pk, "Customers", NOW_MS)
    for number in NUMBERS:
        contacts.create_contact(organisation.pk, contacts.Details(phone=number), [made.pk], NOW_MS)
        consent.add_to_quarantine(organisation.pk, consent.Block(number), NOW_MS)
    return made.pk


def is_in(shown: Page, number: str) -> bool:
    return number.removeprefix("+") in shown.html


def test_no_page_has_a_whole_number_for_who_may_not_see_it(list_id: int, browse_as: Callable[..., Browser]) -> None:
    auditor = browse_as("auditor")
    for path in (f"/contacts/lists/{list_id}/", QUARANTINE, f"{QUARANTINE}?status=quarantine"):
        shown = auditor.get(path)
        assert not [number for number in NUMBERS if is_in(shown, number)], path


@pytest.mark.parametrize("typed", ["+336123456", "336123456", "+3361234560"])
def test_the_beginning_of_a_number_finds_nobody_for_them(
    typed: str, list_id: int, browse_as: Callable[..., Browser]
) -> None:
    auditor, admin = browse_as("auditor"), browse_as()
    assert "+33••••••6" not in auditor.get(QUARANTINE, address=typed).text
    assert "give the whole number" in auditor.get(PEOPLE, q=typed).text
    assert auditor.get(f"/contacts/lists/{list_id}/", q=typed).status == 400
    for path in (PEOPLE, f"/contacts/lists/{list_id}/"):
        assert NUMBERS[0] in admin.get(path, q=typed).text
    assert NUMBERS[0] in admin.get(QUARANTINE, address=typed).text


def test_a_whole_number_finds_its_person_for_them(list_id: int, browse_as: Callable[..., Browser]) -> None:
    auditor = browse_as("auditor")
    assert "+33••••••607" in auditor.get(QUARANTINE, address=NUMBERS[7]).text
    assert "+33••••••607" in auditor.get(PEOPLE, q=NUMBERS[7]).text


@pytest.mark.parametrize(
    "path", ["/contacts/lists/{}/", "/contacts/people/?q=%2B336123456", "/consent/?address=%2B336123456"]
)
def test_pages_of_numbers_follow_each_other(path: str, list_id: int, admin: Browser) -> None:
    path = path.format(list_id)
    first = admin.get(path)
    (following,) = [one.get("href", "") for one in first.find("a", rel="next")]
    assert "6123456" not in following.partition("cursor=")[2]
    second = admin.get(path.partition("?")[0] + following)
    seen = [[number for number in NUMBERS if number in shown.text] for shown in (first, second)]
    assert seen[0] + seen[1] == NUMBERS
