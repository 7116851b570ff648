"""What people do beside the main job: by the keyboard alone, in roles, with a vendor, in a trace; one installation for all."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Error, Page, expect
from tests import online
from tests.browser.conftest import Open
from tests.browser.journey import PASSWORD, connect, sign_in_first
from tests.browser.reader import PATIENCE_S, Reader
from tests.browser.stage import Stage, stage
from tests.e2e.installation import until

MARIE = "marie@example.org"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("console")
    with stage(folder, f"sqlite:///{folder / 'chappe.sqlite3'}") as made:
        yield made


@pytest.fixture(scope="module")
def signed_in(made: Stage, chromium: object) -> str:
    """What Marie's browser keeps once she has begun and connected the SMSC."""
    context = chromium.new_context(base_url=made.place, locale="en")  # type: ignore[attr-defined]
    reader = Reader(context.new_page())
    sign_in_first(reader, made)
    connect(reader, made.smsc)
    state = context.storage_state()
    context.close()
    return state  # type: ignore[no-any-return]


@pytest.fixture
def marie(made: Stage, signed_in: str, open_page: Open) -> Reader:
    reader = Reader(open_page(made.place, storage_state=signed_in))
    reader.page.goto("/")
    return reader


def test_sign_in_menu_and_a_form_by_the_keyboard_alone(made: Stage, signed_in: str, open_page: Open) -> None:
    page = open_page(made.place)
    page.goto("/")
    typed_by_keyboard(page, "Email", MARIE)
    typed_by_keyboard(page, "Password", PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation", name="Main menu")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    reach(page, "Contacts and lists")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Contacts and lists")).to_be_visible()
    typed_by_keyboard(page, "Name", "By keys")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="By keys")).to_be_visible()


def typed_by_keyboard(page: Page, label: str, text: str) -> None:
    reach(page, label)
    page.keyboard.type(text)


FOCUSED = "() => { const one = document.activeElement; return (one.labels?.[0] ?? one).innerText ?? ''; }"


def reach(page: Page, name: str) -> None:
    """By the tabulator, to what is called so."""
    for _ in range(60):
        if str(page.evaluate(FOCUSED)).strip().startswith(name):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{name} is not reached from the keyboard")


def test_a_vendor_is_connected_and_shows_where_it_is_to_call(made: Stage, marie: Reader) -> None:
    marie.menu("Connections")
    marie.page.get_by_role("link", name="Connect a provider").first.click()
    marie.page.get_by_role("link", name="Connect Twilio").click()
    marie.fill({"Name": "Twilio"})
    for name, value in online.settings_for("twilio", made.providers.url).items():
        control = marie.page.locator(f"[name={name}]")
        if not control.is_visible():
            marie.page.locator("details", has=control).locator("summary").click()
        control.fill(str(value))
    marie.button("Next").click()
    marie.fill({"Number": "+33612345678"})
    marie.button("Test").click()
    marie.reads("It works")
    marie.button("Save and switch on").click()
    marie.reads("A message comes in")


MAIL = '{"to": "{{ user_identifier }}", "from": "shop@example.org", "subject": "Hello", "html": "Bonjour"}'


def test_an_e_mail_provider_is_kept_after_its_credentials_and_a_test_were_right(made: Stage, marie: Reader) -> None:
    given = online.settings_for("esp", made.providers.url)
    marie.page.goto("/connections/new/esp/")
    marie.page.locator("#id_name").fill("Letters")
    show_and_fill(marie, {name: given[name] for name in ("url", "message_id_field", "allowed_networks")})
    marie.button("Next").click()
    marie.page.get_by_label("Basic: user and password").check()
    show_and_fill(marie, {name: given[name] for name in ("basic_user", "basic_password")})
    marie.button("Check and go on").click()
    marie.page.locator("[name=number]").fill("marie@example.org")
    marie.page.locator("[name=text]").fill(MAIL)
    marie.button("Test").click()
    marie.reads("It works")
    marie.page.get_by_role("button", name="Save and switch on").click()
    marie.menu("Connections")
    expect(marie.link("Letters").first).to_be_visible()


def show_and_fill(marie: Reader, values: dict[str, str]) -> None:
    """Controls by name, after unfolding what they are in."""
    for name, value in values.items():
        control = marie.page.locator(f"[name={name}]")
        if not control.is_visible():
            marie.page.locator("details", has=control).locator("summary").first.click()
        control.fill(str(value))


def test_a_hook_is_made_tried_and_called(made: Stage, marie: Reader) -> None:
    marie.page.goto("/connections/new/custom/")
    given = online.settings_for("custom", made.providers.url)
    connect_custom(marie, given)
    marie.menu("Hooks")
    marie.page.get_by_role("main").get_by_role("link", name="New hook").click()
    marie.fill({"Name": "Texts", "A call as the provider makes it": CALL % ("{{ProfileNumber}}", "{{InboundMessage}}")})
    marie.page.get_by_label("Connection").select_option(label="Our own")
    marie.page.get_by_label("Texts from phones").check()
    marie.button("Make the hook").click()
    address = marie.page.get_by_label("Address to give to the provider").input_value()
    marie.link("Change").click()
    marie.fill({"A call to try": CALL % ("+33612345678", "Hello")})
    marie.button("Try this call").click()
    marie.reads("A text from a phone")
    called = httpx.post(address, content=CALL % ("+33655550000", "A question"), headers=JSON)
    assert called.status_code == 200
    marie.menu("Inbox")
    expect(marie.page.get_by_role("link", name="+33655550000")).to_be_visible()
    marie.menu("Hooks")
    counted = marie.page.get_by_role("row", name="Texts").get_by_role("cell", name="1", exact=True)
    until(lambda: marie.page.reload() and counted.is_visible(), PATIENCE_S, "the count of the call")


CALL = '{"from": "%s", "text": "%s"}'
JSON = {"Content-Type": "application/json"}


def connect_custom(marie: Reader, given: dict[str, object]) -> None:
    """Every step with what it asks for, and no test: the connection is kept, switched off."""
    marie.page.locator("#id_name").fill("Our own")
    left = {name: str(value) for name, value in given.items()}
    save = marie.page.get_by_role("button", name="Save", exact=False)
    while left and not save.is_visible():
        here = [name for name in left if marie.page.locator(f"[name={name}]").count()]
        show_and_fill(marie, {name: left.pop(name) for name in here})
        marie.button("Next").click()
    save.first.click()
    expect(marie.page.get_by_role("heading", name="Our own")).to_be_visible()


def test_a_trace_shows_a_message_as_it_goes(made: Stage, marie: Reader) -> None:
    marie.menu("Connections")
    marie.link("North").first.click()
    marie.link("Traces").click()
    marie.page.get_by_role("button", name="Begin", exact=True).click()
    expect(marie.page.get_by_role("heading", name="Trace of North")).to_be_visible()
    said = marie.page.get_by_role("region", name="What was said, the latest first")

    def is_heard() -> bool:
        """A text from a phone; one that came before the engine had begun is not in the trace."""
        made.smsc.post("/inbound", text="Hello from a phone", sender="33655555555", recipient="36111", after_s=0)
        try:
            said.get_by_text("deliver_sm").first.wait_for(timeout=3000)
        except Error:
            return False
        return True

    until(is_heard, PATIENCE_S, "a text in the trace")
    expect(said.get_by_text("Hello from a phone").first).to_be_visible()


def test_a_marketer_sees_connections_and_changes_none(made: Stage, marie: Reader, open_page: Open) -> None:
    marie.menu("People")
    marie.fill({"E-mail address": "paul@example.org"})
    marie.page.get_by_label("Role").select_option("marketer")
    marie.page.get_by_role("main").get_by_role("button", name="Make the invitation").click()
    expect(marie.page.get_by_text("Hand this link over")).to_be_visible()
    address = str(marie.page.locator("#invitation-link").evaluate("one => one.value ?? one.innerText"))
    paul = Reader(open_page(made.place))
    paul.page.goto(address.strip())
    paul.fill({"Your name": "Paul Langevin", "Password": PASSWORD})
    paul.button("Begin").click()
    expect(paul.page.get_by_role("link", name="People", exact=True)).to_have_count(0)
    paul.menu("Connections")
    paul.link("North").first.click()
    expect(paul.page.get_by_role("button", name="Switch off")).to_have_count(0)
    answer = paul.page.goto("/connections/new/")
    assert answer is not None
    assert answer.status == 403
