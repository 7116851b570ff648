"""Two installations put to work by clicks alone, as docs/how-to/mid-sourcing.md has it, and what both consoles show then."""

import re

from playwright.sync_api import Locator, expect
from tests.browser.conftest import Keep
from tests.browser.journey import GRACE, IDS, analyse_and_confirm, answer_stops
from tests.browser.reader import PATIENCE_S, Reader
from tests.e2e.installation import until

from chappe.simulator import SimulatorProcess

LOOPBACK = "127.0.0.0/8"
NETWORKS = "Private networks allowed"
PROVIDER, ACCOUNT, TEMPLATE = "Provider for CRM", "CRM by mid", "News by mid"
SHOP = "https://shop.example/soldes"
PHONE = (
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36"
)
TEXT = f"Bonjour {{{{ first_name }}}}, tout est là : {SHOP}?de={{{{ first_name }}}}"
PEOPLE = """phone,first_name
06 00 00 00 10,Ada
06 00 00 00 11,Grace
06 00 00 00 12,Linus
06 00 00 00 13,Barbara
"""


# -- on mid ----------------------------------------------------------------------------------------------------------


def make_operator(mid: Reader) -> str:
    """The operator `sms`, whose login was typed wrong first; its key."""
    mid.menu("Keys and operators")
    mid.link("Operators").click()
    mid.link("New operator").first.click()
    mid.fill({"Login": "SMS", "Label": "Marketing"})
    mid.page.get_by_label(re.compile(r"^\s*ADMINISTRATION:")).check()
    mid.button("Make the operator").click()
    expect(beside(mid, "Login")).to_contain_text("small letters")
    mid.fill({"Login": "sms"})
    mid.button("Make the operator").click()
    mid.reads("This operator has no password")
    mid.link("New key").first.click()
    mid.fill({"Name of the key": "CRM"})
    mid.button("Make the key").click()
    key = mid.field("Key").input_value()
    mid.link("I have copied it").click()
    return key


def connect_smsc(mid: Reader, smsc: SimulatorProcess) -> None:
    """For the operator; the name of the account wrong first."""
    mid.menu("Connections")
    mid.link("Connect your first provider").click()
    mid.page.get_by_role("link", name="SMPP 3.4").click()
    mid.fill({"Name": PROVIDER, "Server": "127.0.0.1", "Port": str(smsc.port), "Account": "relais"})
    mid.fill({"Password": "secret", NETWORKS: LOOPBACK})
    mid.main.get_by_text("For another Chappe", exact=True).first.click()
    mid.field("For the operator of another Chappe").select_option("sms")
    mid.fill({"Internal name": "SMS-crm"})
    mid.button("Next").click()
    expect(beside(mid, "Internal name")).to_contain_text("ust be sms_crm")
    mid.fill({"Internal name": "crm"})
    mid.button("Next").click()
    mid.fill({"Source number": "36111", "Short code": "36111"})
    mid.button("Next").click()
    mid.fill({"Extraction of the id from the receipt": IDS})
    answer_stops(mid)
    mid.button("Next").click()
    mid.button("Test").click()
    mid.reads("It works")
    mid.button("Save and switch on").click()
    expect(mid.main.get_by_text("sms_crm", exact=True).first).to_be_visible()


def beside(reader: Reader, label: str) -> Locator:
    """What is said to be wrong where something was typed."""
    control = reader.field(label)
    expect(control).to_have_attribute("aria-invalid", "true")
    return reader.page.locator(".field", has=control).locator(".errors, .error")


def open_account(mid: Reader) -> None:
    mid.menu("Other installations")
    mid.page.get_by_role("row", name="sms").get_by_role("link").first.click()


def let_mid_call(mid: Reader) -> None:
    """Marketing is in mid's own network, where mid may call nobody until it is told so."""
    open_account(mid)
    networks = mid.field(NETWORKS)
    until(lambda: networks.count() or not mid.page.reload(), PATIENCE_S, "the sign-in of marketing's engine")
    mid.fill({NETWORKS: LOOPBACK})
    mid.main.get_by_role("button", name="Save", exact=True).click()
    mid.reads("Saved.")


def allow_per_s(mid: Reader, messages: str) -> None:
    """So many may leave in a second; "0" for any number."""
    mid.menu("Connections")
    mid.link(PROVIDER).first.click()
    mid.link("Change settings").click()
    mid.fill({"Maximum throughput": messages})
    mid.button("Save").click()
    mid.reads("Saved")


# -- on marketing ----------------------------------------------------------------------------------------------------


def connect_mid(marketing: Reader, address: str, key: str, keep: Keep) -> None:
    """By mid's address, the operator and its key; a wrong key first."""
    marketing.menu("Connections")
    marketing.link("Connect your first provider").click()
    marketing.page.get_by_role("link", name="Connect Mid-sourcing").click()
    marketing.fill({"Name": ACCOUNT, "Internal name": "crm"})
    marketing.button("Next").click()
    marketing.fill({"Address of mid": address, "Operator": "sms", "Password or key": "a key of something else"})
    marketing.main.get_by_text("Security", exact=True).first.click()
    marketing.fill({NETWORKS: LOOPBACK})
    marketing.button("Next").click()
    marketing.button("Test the connection").click()
    marketing.reads("It does not work")
    marketing.reads("Sign-in:")
    marketing.button("Back").click()
    marketing.fill({"Password or key": key})
    marketing.button("Next").click()
    marketing.button("Test the connection").click()
    marketing.reads("It works")
    for checked in ("Address", "Sign-in", "Right", "Version", "Clock", "Account: sms_crm is there"):
        expect(marketing.main.get_by_text(re.compile(f"^{checked}")).first).to_be_visible()
    keep(marketing.page, "connect-mid")
    marketing.button("Save and switch on").click()
    expect(marketing.heading(ACCOUNT)).to_be_visible()


def make_template(marketing: Reader) -> None:
    """A copy of the one that is built in, with its routing, its sender and its text."""
    marketing.menu("Deliveries")
    marketing.link("Templates").click()
    marketing.page.get_by_role("row", name="Mobile").get_by_role("button", name="Duplicate").click()
    marketing.field("Label").first.fill(TEMPLATE)
    marketing.fill({"Internal name": "news", "Sender": "36111", "Most segments of a message": "2", "Text": TEXT})
    marketing.field("Follow links").check()
    marketing.field("Routing").select_option(label=f"{ACCOUNT} · Mid-sourcing")
    marketing.button("Save").last.click()
    expect(marketing.heading(TEMPLATE)).to_be_visible()


def import_people(marketing: Reader) -> None:
    marketing.menu("Contacts and lists")
    marketing.fill({"Name": "Customers"})
    marketing.button("Make a list").click()
    marketing.link("Import a file").first.click()
    content = {"name": "people.csv", "mimeType": "text/csv", "buffer": PEOPLE.encode()}
    marketing.field("CSV file").set_input_files(content)
    marketing.fill({"Country of local numbers": "FR"})
    marketing.button("Upload").click()
    marketing.button("Start the import").click()
    marketing.sees(lambda: marketing.main.get_by_text("finished", exact=True))


def send(marketing: Reader, name: str, messages: int) -> None:
    """A delivery from the template, analysed and let go."""
    marketing.menu("Deliveries")
    marketing.link("Templates").click()
    marketing.page.get_by_role("row", name=TEMPLATE).get_by_role("link", name="New delivery").click()
    expect(marketing.field("Text")).to_have_value(TEXT)
    marketing.fill({"Name": name})
    marketing.button("Save and analyse").click()
    analyse_and_confirm(marketing, messages)


def ends(marketing: Reader, *counts: str) -> None:
    """The delivery that is shown; in each state so many are here and on mid."""
    expect(marketing.main.get_by_text("Finished", exact=True).first).to_be_visible()
    expect(marketing.main.get_by_text("Both sides say the same").first).to_be_visible()
    rows = marketing.page.get_by_role("region", name="Here and on mid").locator("tbody tr, tfoot tr")
    expect(rows).to_have_text([re.compile(r"\s*".join(["^", *count.split(), "$"])) for count in counts])


def open_link(marketing: Reader, text: str) -> None:
    """Somebody opens the link of a message, on a phone; marketing, which shows the delivery, hears of it."""
    answer = marketing.page.request.get(text.rpartition(" ")[2], headers={"User-Agent": PHONE}, max_redirects=0)
    assert (answer.status, answer.headers["location"]) == (302, f"{SHOP}?de=Ada")
    opened = marketing.page.get_by_role("region", name="Links that were opened").get_by_role("row", name=SHOP)
    marketing.sees(lambda: opened)
    expect(opened.get_by_role("cell")).to_have_text(["1", "1", "0"])


def timeline(marketing: Reader) -> list[str]:
    """What happened to a message of the delivery that is shown, and on which tier."""
    marketing.link("All messages").first.click()
    marketing.main.get_by_role("table").get_by_role("link").first.click()
    expect(marketing.main.get_by_text("both sides say the same")).to_be_visible()
    return marketing.main.locator(".timeline li").all_inner_texts()


def mend(marketing: Reader) -> None:
    marketing.menu("In step with mid")
    marketing.reads("None: both sides count the same")
    marketing.link("Mend").click()
    marketing.button("Mend").click()
    expect(marketing.main.locator(".notice").filter(has_text=re.compile("^Mended"))).to_be_visible()
    marketing.reads("None: both sides count the same")


# -- on both ---------------------------------------------------------------------------------------------------------


def stop(smsc: SimulatorProcess, *readers: Reader) -> None:
    """Grace has had enough: both leave her alone."""
    smsc.post("/inbound", text="STOP", sender=GRACE.removeprefix("+"), recipient="36111", after_s=0)
    for reader in readers:
        reader.menu("Consent and quarantine")
        row = reader.main.get_by_role("row").filter(has_text=GRACE)
        until(lambda reader=reader, row=row: row.count() or not reader.page.reload(), PATIENCE_S, "the quarantine")
        expect(row).to_contain_text("the person wrote STOP")
