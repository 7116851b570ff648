"""The main job by clicks alone: from the first sign-in to the report, and to who wrote STOP being left out the next time."""

import re

from playwright.sync_api import expect
from tests.browser.reader import PATIENCE_S, Reader
from tests.browser.stage import House, Stage
from tests.e2e.installation import until

from chappe.simulator import SimulatorProcess

PASSWORD = "a quiet hill with a tower"
IDS = r"(?i)\bid:([0-9]{1,20})\b"
REPLY = "No more messages from us."
FILE = """client;mobile;prénom
A1;06 00 00 00 10;Ada
A2;06 00 00 00 11;Grace
A3;06 00 00 00 12;Linus
"""
ADA, GRACE = "+33600000010", "+33600000011"


def main_job(reader: Reader, stage: Stage) -> None:
    """Everything in turn."""
    sign_in_first(reader, stage)
    connect(reader, stage.smsc)
    import_people(reader)
    write(reader)
    prove(reader, stage.smsc)
    send(reader, stage.smsc)
    read_report(reader)
    find_message(reader)
    stop(reader, stage.smsc)
    send_again(reader, stage.smsc)


def sign_in_first(reader: Reader, stage: Stage | House) -> None:
    """By the link that was printed when it started; it works once."""
    reader.page.goto(stage.link)
    reader.fill({"Organisation": "Relais", "Your name": "Marie Curie", "E-mail address": "marie@example.org"})
    reader.fill({"Password": PASSWORD})
    reader.button("Begin").click()
    expect(reader.heading("Welcome to Chappe")).to_be_visible()


def connect(reader: Reader, smsc: SimulatorProcess) -> None:
    """The SMSC, step by step; tried before it is kept."""
    reader.link("Connect your provider").click()
    reader.page.get_by_role("link", name="SMPP 3.4").click()
    reader.fill({"Name": "North", "Server": "127.0.0.1", "Port": str(smsc.port), "Account": "relais"})
    reader.fill({"Password": "secret", "Private networks allowed": "127.0.0.0/8"})
    reader.button("Next").click()
    reader.fill({"Source number": "36111", "Short code": "36111"})
    reader.button("Next").click()
    reader.fill({"Extraction of the id from the receipt": IDS})
    answer_stops(reader)
    reader.button("Next").click()
    reader.button("Test").click()
    expect(reader.main.get_by_text(reader.say("It works"))).to_be_visible()
    reader.button("Save and switch on").click()
    _verify(reader, smsc)


def answer_stops(reader: Reader) -> None:
    """A row of automatic replies, under what most people leave as it is."""
    reader.main.get_by_text(reader.say("Incoming traffic")).first.click()
    table = reader.page.get_by_role("group", name=reader.say("Automatic replies"), exact=True)
    table.get_by_role("button", name=reader.say("Add a row")).click()
    row = reader.page.get_by_role("group", name=re.compile(f"{reader.say('Automatic replies')}|1")).last
    reader.field("Keyword", row).fill("STOP")
    reader.field("Reply", row).fill(REPLY)
    reader.field("Action", row).select_option("send_to_quarantine")


def _verify(reader: Reader, smsc: SimulatorProcess) -> None:
    """With one message to a telephone of ours."""
    reader.link("Verify").click()
    reader.fill({"Number": "+33699999999"})
    reader.button("Verify").click()
    expect(reader.main.get_by_text(reader.say("It works"))).to_be_visible()
    assert received(smsc, "+33699999999")


def import_people(reader: Reader) -> None:
    """A file, of which one column is said to be something else than was found out."""
    reader.menu("Contacts and lists")
    reader.fill({"Name": "Customers"})
    reader.button("Make a list").click()
    reader.link("Import a file").first.click()
    content = {"name": "people.csv", "mimeType": "text/csv", "buffer": FILE.encode()}
    reader.field("CSV file").set_input_files(content)
    reader.fill({"Country of local numbers": "FR"})
    reader.button("Upload").click()
    row = reader.page.get_by_role("row").filter(has=reader.page.get_by_role("rowheader", name="client", exact=True))
    row.get_by_role("combobox").select_option(label=reader.say("Your own id of the person"))
    reader.button("Show what would be read").click()
    expect(reader.page.get_by_role("cell", name=GRACE)).to_be_visible()
    reader.button("Start the import").click()
    reader.sees(lambda: reader.main.get_by_text(reader.say("finished"), exact=True))
    reader.link("To the list").click()
    expect(reader.page.get_by_role("link", name=ADA)).to_be_visible()


def write(reader: Reader) -> None:
    """A text with a character that doubles its price; the composer says which, and puts another in its place."""
    reader.menu("Deliveries")
    reader.link("New delivery").first.click()
    reader.fill({"Name": "Offers 2026", "Sender": "36111", "Text": "Bonjour {{ prénom }}, c’est l’été"})
    if not reader.has_script:
        reader.button("Look at the text").click()
    composer = reader.page.get_by_role("region", name=reader.say("What people get"))
    expect(composer.get_by_text("U+2019")).to_be_visible()
    expect(composer.get_by_text("Bonjour Ada").last).to_be_visible()
    reader.button("Put plain characters into the text").click()
    expect(reader.field("Text")).to_have_value("Bonjour {{ prénom }}, c'est l'été")
    expect(reader.page.get_by_text("U+2019")).to_have_count(0)
    reader.button("Save and send a proof").click()


def prove(reader: Reader, smsc: SimulatorProcess) -> None:
    """To a test number, as Ada would get it."""
    reader.fill({"Numbers or addresses": "+33688888888"})
    reader.button("Send the proof").click()
    until(lambda: received(smsc, "+33688888888"), PATIENCE_S, "the proof")
    assert received(smsc, "+33688888888") == ["Bonjour Ada, c'est l'été"]
    reader.link("Back to the delivery").click()


def analyse_and_confirm(reader: Reader, messages: int) -> None:
    """Whom it goes to, what it costs; and yes."""
    reader.sees(lambda: reader.heading("Who is left out, and why"))
    reader.page.get_by_role("link", name=reader.say("Confirm", "button")).click()
    reader.page.get_by_role("button", name=re.compile(rf"\b{messages}\b")).click()


def send(reader: Reader, smsc: SimulatorProcess) -> None:
    """From the analysis to the end, watched as it goes."""
    reader.page.get_by_role("button", name=reader.say("Analyse", "button"), exact=True).click()
    analyse_and_confirm(reader, 3)
    reader.sees(lambda: reader.main.get_by_text(reader.say("Finished")).first)
    assert received(smsc, ADA) == ["Bonjour Ada, c'est l'été"]


def read_report(reader: Reader) -> None:
    reader.sees(lambda: reader.heading("What failed, and why"))
    tile = reader.main.locator("dl > div").filter(has_text=reader.say("Delivered"))
    reader.sees(lambda: tile.get_by_text(re.compile("^100")))


def find_message(reader: Reader) -> None:
    """From its number to all that happened to it."""
    reader.menu("Messages")
    reader.main.get_by_role("searchbox").fill(ADA)
    reader.button("Find").click()
    reader.main.get_by_role("table").get_by_role("link").first.click()
    expect(reader.heading("What happened")).to_be_visible()


def stop(reader: Reader, smsc: SimulatorProcess) -> None:
    """Grace has had enough: she is answered, and stands among those who are left alone."""
    smsc.post("/inbound", text="STOP", sender=GRACE.removeprefix("+"), recipient="36111", after_s=0)
    until(lambda: REPLY in received(smsc, GRACE), PATIENCE_S, "the reply")
    reader.menu("Consent and quarantine")
    reader.sees(lambda: reader.main.get_by_role("row").filter(has_text=GRACE))


def send_again(reader: Reader, smsc: SimulatorProcess) -> None:
    """The same once more: Grace is left out, and the page says why."""
    reader.menu("Deliveries")
    reader.page.get_by_role("link", name="Offers 2026", exact=True).click()
    reader.button("Duplicate").click()
    reader.button("Save and analyse").click()
    left_out = reader.page.get_by_role("region", name=reader.say("Who is left out, and why"))
    row = left_out.get_by_role("row").filter(has_text=reader.say("Wrote STOP, or was put on the denylist"))
    reader.sees(lambda: row)
    expect(row).to_contain_text("1")
    analyse_and_confirm(reader, 2)
    reader.sees(lambda: reader.main.get_by_text(reader.say("Finished")).first)
    assert len(received(smsc, ADA)) == 2
    assert len(received(smsc, GRACE)) == 2, "the first delivery and the reply to STOP"


def received(smsc: SimulatorProcess, number: str) -> list[str]:
    """Texts that the provider took for a number."""
    return [one["text"] for one in smsc.get("/messages", destination=number.removeprefix("+"))]
