"""One installation prepares, another sends: both are set up, used and looked at from their consoles alone."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.browser import two_tiers
from tests.browser.conftest import Keep, Open
from tests.browser.journey import ADA, GRACE, received, sign_in_first
from tests.browser.reader import Reader
from tests.browser.stage import TwoTiers
from tests.browser.stage import two_tiers as open_both


@pytest.fixture
def made(tmp_path: Path, sqlite_template: Path) -> Iterator[TwoTiers]:
    with open_both(tmp_path, sqlite_template) as made:
        yield made


def test_two_installations_are_set_up_used_and_compared_from_their_consoles(
    made: TwoTiers, open_page: Open, keep: Keep
) -> None:
    mid, marketing = (Reader(open_page(one.place, reduced_motion="reduce")) for one in (made.mid, made.marketing))
    sign_in_first(mid, made.mid)
    key = two_tiers.make_operator(mid)
    keep(mid.page, "operator")
    two_tiers.connect_smsc(mid, made.smsc)
    sign_in_first(marketing, made.marketing)
    two_tiers.connect_mid(marketing, made.mid.place, key, keep)
    two_tiers.let_mid_call(mid)
    two_tiers.make_template(marketing)
    keep(marketing.page, "template")
    two_tiers.import_people(marketing)
    delivers(made, mid, marketing, keep)
    two_tiers.stop(made.smsc, mid, marketing)
    pauses(made, mid, marketing, keep)
    two_tiers.mend(marketing)
    keep(marketing.page, "in-step")


def delivers(made: TwoTiers, mid: Reader, marketing: Reader, keep: Keep) -> None:
    """To everybody; both count the same, and tell the same of a message."""
    two_tiers.send(marketing, "News", 4)
    two_tiers.ends(marketing, "Delivered 4 4", "All 4 4")
    (text,) = received(made.smsc, ADA)
    assert re.fullmatch(rf"Bonjour Ada, tout est là : {re.escape(made.mid.place)}/l/\w{{16}}", text)
    two_tiers.open_link(marketing, text)
    keep(marketing.page, "links-by-mid")
    two_tiers.open_account(mid)
    expect(mid.main.get_by_role("row", name="Nothing waits")).to_contain_text("4")
    lines = two_tiers.timeline(marketing)
    keep(marketing.page, "message-by-mid")
    assert any(line.startswith("Here") and "Prepared by delivery" in line for line in lines)
    assert any(line.startswith("On mid") and "was taken by the provider" in line for line in lines)


def pauses(made: TwoTiers, mid: Reader, marketing: Reader, keep: Keep) -> None:
    """What waits on mid stops with it, and goes on with it; who wrote STOP is left out."""
    two_tiers.allow_per_s(mid, "0.05")
    two_tiers.send(marketing, "More news", 3)
    marketing.button("Pause").click()
    marketing.reads("It is paused")
    two_tiers.open_account(mid)
    expect(mid.main.get_by_role("row", name="Paused")).to_be_visible()
    keep(mid.page, "other-installation")
    two_tiers.allow_per_s(mid, "0")
    marketing.button("Resume").click()
    two_tiers.ends(marketing, "Delivered 3 3", "Excluded 1 0", "All 4 3")
    keep(marketing.page, "report-by-mid")
    assert [len(received(made.smsc, number)) for number in (ADA, GRACE)] == [2, 2], "a message and a reply to Grace"
