"""Marketing's pages on what mid does: of one message, of a delivery, and of the connection."""

import time
from collections.abc import Callable, Iterator

import pytest
from tests import row
from tests.console.browser import Browser
from tests.mid import Mid, in_step, mid, relay

from chappe.features.accounts.models import Organisation
from chappe.features.clock import now_ms
from chappe.features.connections.models import Connection
from chappe.messaging import DeliveryState

WAITING, SENT = DeliveryState.WAITING, DeliveryState.SENT


@pytest.fixture
def there() -> Iterator[Mid]:
    with mid() as found:
        yield found


@pytest.fixture
def account(organisation: Organisation, there: Mid) -> Connection:
    return relay(organisation.pk, there.port)


def handed(account: Connection, number: int = 1, state: DeliveryState = WAITING, **values: object) -> int:
    """A message that mid has as number 815 since a minute; when that was."""
    at_ms = now_ms() - 60_000
    when = {"created_ms": at_ms, "due_ms": at_ms}
    row.message(account.organisation_id, number, connection_id=account.pk, **when | values)
    row.segment(number, connection_id=account.pk, provider_message_id="815", state=state, sent_ms=at_ms)
    return at_ms


# -- a message -------------------------------------------------------------------------------------------------------


def test_a_message_shows_what_happened_here_and_on_mid_in_one_order(
    admin: Browser, account: Connection, there: Mid
) -> None:
    at_ms = handed(account)
    in_step(account, now_ms(), clock_ms=300_000)  # mid's clock is five minutes ahead
    there.life(
        1,
        "sent",
        (at_ms + 300_100, "accepted", "Handed over by another installation."),
        (at_ms + 330_000, "segment_sent", "Segment 1 of 1 was taken by the provider under the id A1."),
        (now_ms() + 300_000, "now", "Waiting for the provider's receipt."),
    )
    page = admin.get("/messages/1/")
    lines = [" ".join("".join(one.itertext()).split()) for one in page.find("ol", class_="timeline")[0].findall("li")]
    kinds = [(line.partition(" ")[0] == "On", line) for line in lines]
    assert [is_on_mid for is_on_mid, _ in kinds] == [False, False, True, True, False, True]
    assert "which has it as number 815" in lines[1]
    assert "Handed over by another installation" in lines[2]
    assert "under the id A1" in lines[3]
    assert "Handed over to mid at" in lines[4]
    assert "waits there" in lines[4]
    for words in ("On mid Sent", "Here Waiting", "What mid says last is", "5 min"):
        assert words in page.text
    request, headers, _ = there.asked[0]
    assert request == "GET /messages/1"
    assert headers["Authorization"].startswith("Basic ")


def test_both_sides_say_the_same_where_nothing_lags(admin: Browser, account: Connection, there: Mid) -> None:
    at_ms = handed(account, state=SENT)
    there.life(1, "sent", (at_ms, "accepted", "Accepted."))
    page = admin.get("/messages/1/")
    assert "both sides say the same" in page.text
    assert "Sent by mid, which has it as number 815." in page.text


def test_where_mid_does_not_answer_the_page_says_so_and_shows_what_is_here(
    admin: Browser, account: Connection, there: Mid
) -> None:
    handed(account)
    there.hang("GET /messages/1")
    began = time.monotonic()
    page = admin.get("/messages/1/")
    assert time.monotonic() - began < 20, "it waited until mid answered"
    assert "mid did not answer within 1.5 s" in page.text
    assert "which has it as number 815" in page.text


@pytest.mark.parametrize(
    ("status", "detail", "words"),
    [
        (404, "There is no message of the account with the number 1.", "Mid has no such message"),
        (404, "There is no account crm.", "mid answered 404: There is no account crm."),
        (401, "The password is wrong.", "mid answered 401: The password is wrong."),
        (200, "", "cannot be read"),
    ],
)
def test_what_mid_refuses_is_told(
    admin: Browser, account: Connection, there: Mid, status: int, detail: str, words: str
) -> None:
    handed(account)
    there.answers["GET /messages/1"] = status, {"detail": detail}
    assert words in admin.get("/messages/1/").text


def test_mid_is_asked_in_the_readers_language_and_for_nothing_that_it_does_not_have(
    browse_as: Callable[..., Browser], account: Connection, there: Mid
) -> None:
    french = browse_as(language="fr")
    row.message(account.organisation_id, 2, connection_id=account.pk)
    french.get("/messages/2/")
    assert there.asked == []
    at_ms = handed(account)
    there.life(1, "waiting", (at_ms, "accepted", "Acceptés."))
    page = french.get("/messages/1/")
    assert there.asked[0][1]["Accept-Language"] == "fr"
    assert "Remis à mid, qui l’a sous le numéro 815" in page.text
    assert "Les deux côtés disent la même chose".lower() in page.text


def test_a_stranger_sees_no_message_and_mid_is_not_asked(stranger: Browser, account: Connection, there: Mid) -> None:
    handed(account)
    assert stranger.get("/messages/1/").status == 404
    assert there.asked == []
