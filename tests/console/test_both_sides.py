"""Marketing's pages on what mid does: of one message, of a delivery, and of the connection."""

import time
from collections.abc import Callable, Iterator

import pytest
from tests import row
from tests.console.browser import Browser, Page
from tests.mid import Mid, figures, in_step, mid, relay
from tests.row import NOW_MS

from chappe.features.accounts.models import Organisation
from chappe.features.clock import now_ms
from chappe.features.connections.models import Connection
from chappe.features.contacts import services as contacts
from chappe.features.deliveries import services as deliveries
from chappe.features.deliveries.models import Delivery
from chappe.features.jobs.services import run_until_empty
from chappe.features.messages.models import DeliveryCount, Outbox
from chappe.features.relay.models import RelayFigure, RelayLink
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


# -- a delivery ------------------------------------------------------------------------------------------------------


def sending(account: Connection, here: dict[DeliveryState, int], status: str = "sending") -> Delivery:
    people = contacts.create_list(account.organisation_id, "Customers", NOW_MS)
    draft = deliveries.Draft(label="June", list_id=people.pk, connection_id=account.pk, body="Hello")
    made = deliveries.create_delivery(account.organisation_id, draft, NOW_MS)
    now = now_ms()
    Delivery.objects.filter(pk=made.pk).update(status=status, started_ms=now, changed_ms=now, audience=5)
    for state, messages in here.items():
        DeliveryCount.objects.create(delivery_id=made.pk, state=state, messages=messages)
    return made


def cells(page: Page, place: int = 0) -> list[list[str]]:
    """The rows of a table of figures."""
    table = [one for one in page.all("table") if "On mid" in "".join(one.itertext())][place]
    rows = [one for one in table.iter("tr") if one.findall("td")]
    return [["".join(cell.itertext()).strip() for cell in one if cell.tag in ("th", "td")] for one in rows]


@pytest.mark.parametrize("status", ["sending", "finished"])
def test_a_delivery_shows_its_figures_here_and_on_mid(admin: Browser, account: Connection, status: str) -> None:
    delivery, now = sending(account, {WAITING: 2, SENT: 3}, status), now_ms()
    page = admin.get(f"/deliveries/{delivery.pk}/")
    assert "Mid has not told its figures yet" in page.text
    in_step(account, now)
    figures(account, delivery.pk, now, {WAITING: 2, SENT: 2, DeliveryState.DELIVERED: 1})
    page = admin.get(f"/deliveries/{delivery.pk}/")
    assert cells(page) == [["Waiting", "2", "2"], ["Sent", "3", "2"], ["Delivered", "0", "1"], ["All", "5", "5"]]
    assert "What mid says of 1 message is on its way." in page.text
    RelayFigure.objects.update(at_ms=now - 120_000)
    assert "1 message is told differently." in admin.get(f"/deliveries/{delivery.pk}/").text
    assert f"/mid/{account.pk}/" in page.links()


def test_a_delivery_by_another_provider_has_one_side(admin: Browser, organisation: Organisation) -> None:
    delivery = sending(row.connection(organisation.pk), {SENT: 1})
    assert "Here and on mid" not in admin.get(f"/deliveries/{delivery.pk}/").text


# -- the connection --------------------------------------------------------------------------------------------------


def test_the_page_of_the_connection_says_how_far_both_sides_are(
    admin: Browser, account: Connection, there: Mid
) -> None:
    there.answers["GET"] = 200, {"account": "sms_crm", "version": "1.0", "now_ms": 1, "last_page": 14}
    page = admin.get("/mid/")
    assert "No engine has spoken with mid" in page.text
    now = now_ms()
    in_step(account, now, clock_ms=-7_000)
    page = admin.get(f"/mid/{account.pk}/")
    for words in ("In step", "Its counterpart on mid sms_crm", "Pages heeded here 12", "not heeded yet 2", "behind"):
        assert words in page.text
    assert "None: both sides count the same" in page.text
    delivery = sending(account, {SENT: 3})
    figures(account, delivery.pk, now - 120_000, {DeliveryState.DELIVERED: 3})
    page = admin.get(f"/mid/{account.pk}/")
    assert "Figures differ" in page.text
    assert f"/deliveries/{delivery.pk}/report/" in page.links()
    assert "June 3 3 3" in page.text
    assert f"/mid/{account.pk}/" in admin.get(f"/connections/{account.pk}/").links()


def test_what_is_wrong_with_the_link_is_told(admin: Browser, account: Connection, there: Mid) -> None:
    link = in_step(account, now_ms(), error="mid answered 401: The password is wrong.")
    there.answers["GET"] = 401, {"detail": "The password is wrong."}
    page = admin.get(f"/mid/{account.pk}/")
    assert "Out of step" in page.text
    assert "Mid was asked and tells nothing at this moment: mid answered 401: The password is wrong." in page.text
    RelayLink.objects.filter(pk=link.pk).update(heard_ms=NOW_MS)
    assert "Mid does not answer" in admin.get(f"/mid/{account.pk}/").text


def test_several_connections_are_listed_and_none_is_a_line_of_the_menu(
    admin: Browser, stranger: Browser, account: Connection
) -> None:
    assert "/mid/" in admin.get("/connections/").links()
    assert "/mid/" not in stranger.get("/connections/").links()
    assert "Nothing is handed over to another Chappe" in stranger.get("/mid/").text
    second = relay(account.organisation_id, name="Second", internal_name="erp")
    assert {f"/mid/{account.pk}/", f"/mid/{second.pk}/"} <= set(admin.get("/mid/").links())
    assert stranger.get(f"/mid/{account.pk}/").status == 404
    assert admin.get(f"/mid/{row.connection(account.organisation_id).pk}/").status == 404


def test_mending_is_asked_about_and_begun_and_told_of(
    admin: Browser, browse_as: Callable[..., Browser], account: Connection, there: Mid
) -> None:
    there.answers["GET"] = 503, {}
    handed(account)
    at = f"/mid/{account.pk}/mend/"
    assert "nothing is sent twice" in admin.get(at).text
    assert "No engine has spoken with mid for this connection yet." in admin.post(at).text
    in_step(account, now_ms())
    marketer = browse_as("marketer")
    assert marketer.post(at).status == 403
    assert at in admin.get(f"/mid/{account.pk}/").links()
    page = admin.post(at)
    assert "Mending has begun" in page.text
    assert "Being mended" in page.text
    assert at not in page.links()
    assert RelayLink.objects.get().reread_ms == 0
    assert "Mended" in admin.get("/audit/").text
    there.answers["POST /messages/known"] = lambda body: (200, {"known": body["ids"]})
    RelayLink.objects.update(reread_ms=now_ms())
    run_until_empty()
    page = admin.get(f"/mid/{account.pk}/")
    assert "Mended," in page.text
    assert list(Outbox.objects.values_list("first_id", "last_id")) == [(1, 1)]


def test_home_tells_of_a_mid_that_is_silent_or_counts_otherwise(admin: Browser, account: Connection) -> None:
    now = now_ms()
    row.link(account.pk, "ready", role="http", changed_ms=now)
    in_step(account, now - 600_000)
    page = admin.get("/")
    assert "1 connection whose mid has not answered for minutes" in page.text
    assert f"/mid/{account.pk}/" in page.links()
    RelayLink.objects.update(heard_ms=now)
    delivery = sending(account, {SENT: 3})
    figures(account, delivery.pk, now - 660_000, {DeliveryState.DELIVERED: 3})
    assert "1 connection that counts otherwise than its mid" in admin.get("/").text
