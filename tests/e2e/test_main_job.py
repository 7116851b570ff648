"""The main job from end to end: the processes of `chappe up`, their API from outside, a simulated provider.

One installation serves most tests, each with an organisation (and so connections, people and keys) of its own.
"""

import itertools
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.e2e.installation import HOST, Installation, until

from chappe.cli.client import ApiError, Client
from chappe.simulator import Quirks, SimulatorProcess

REPLY = "You will get no more messages from us."
SETTINGS: dict[str, Any] = {
    "implementation_name": "Simulator",
    "host": "127.0.0.1",
    "account": "relais",
    "password": "secret",
    "allowed_networks": "127.0.0.0/8",
    "reconnect_s": 0.5,
    "short_code": "36111",
    "receipt_id_pattern": r"(?i)\bid:([0-9]{1,20})\b",
    "automatic_replies": [{"keyword": "STOP", "short_code": "", "reply": REPLY, "action": "send_to_quarantine"}],
}
PHONE = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36"
)
ENDS = {"delivered", "failed", "expired", "excluded", "cancelled"}
NUMBERS = itertools.count(1)


class Scene:
    """One organisation of a running installation, and its provider."""

    def __init__(self, api: Client, smsc: SimulatorProcess) -> None:
        self.api, self.smsc = api, smsc
        self.connection = 0

    def connect(self, **settings: Any) -> None:
        """A connection, verified and bound."""
        values = {**SETTINGS, "port": self.smsc.port, **settings}
        made = self.api.post("/v1/connections", {"name": "North", "provider": "smpp", "settings": values})
        self.connection = int(made["id"])
        assert made["settings"]["password"] == "********"
        until(self.is_bound, 20, "the bind")

    def is_bound(self) -> bool:
        links = self.api.get(f"/v1/connections/{self.connection}")["links"]
        return any(link["state"] == "bound" and link["is_live"] for link in links)

    def import_people(self, lines: list[str]) -> int:
        """A list of the people of a CSV file; its id."""
        made = int(self.api.post("/v1/lists", {"name": f"List {next(NUMBERS)}"})["id"])
        text = "\n".join(["external_id,phone,name", *lines]) + "\n"
        row = self.api.post(f"/v1/lists/{made}/imports?default_region=FR&filename=people.csv", text)
        path = f"/v1/imports/{row['id']}"
        found = until(lambda: one if (one := self.api.get(path))["status"] == "finished" else None, 20, "the import")
        assert found["imported"] == len(lines)
        return made

    def analysed(self, list_id: int, body: str, **values: Any) -> int:
        """A delivery ready to be sent; its id."""
        given = {"label": "June", "list_id": list_id, "connection_id": self.connection, "body": body, **values}
        delivery = int(self.api.post("/v1/deliveries", given)["id"])
        self.api.post(f"/v1/deliveries/{delivery}/analyse")
        self.wait_for_status(delivery, "ready")
        return delivery

    def wait_for_status(self, delivery: int, status: str) -> None:
        until(lambda: self.api.get(f"/v1/deliveries/{delivery}")["status"] == status, 30, f"the status {status}")

    def act(self, delivery: int, what: str) -> Any:
        return self.api.post(f"/v1/deliveries/{delivery}/{what}")

    def report(self, delivery: int) -> Any:
        """The report; its states always sum up to its audience."""
        report = self.api.get(f"/v1/deliveries/{delivery}/report")
        assert sum(report["states"].values()) == report["audience"]
        return report

    def states(self, delivery: int) -> dict[str, int]:
        return {state: count for state, count in self.report(delivery)["states"].items() if count}

    def send_one(self, to: str, text: str = "Votre code est 123456.", **values: Any) -> Any:
        return self.api.post("/v1/messages", {"to": to, "text": text, "connection_id": self.connection, **values})

    def wait_for_message(self, message_id: int, state: str, seconds: float = 15) -> Any:
        path = f"/v1/messages/{message_id}"
        return until(lambda: one if (one := self.api.get(path))["state"] == state else None, seconds, state)

    def received(self, number: str) -> list[Any]:
        """What the provider took for a number, the latest first."""
        return list(self.smsc.get("/messages", destination=number.removeprefix("+")))

    def text_from(self, number: str, text: str) -> None:
        self.smsc.post("/inbound", text=text, sender=number.removeprefix("+"), recipient="36111", after_s=0)


def people(count: int, start: int = 0) -> list[str]:
    return [f"C{start + n},06{start + n:08d},Person {n}" for n in range(count)]


def number(index: int) -> str:
    return f"+336{index:08d}"


@pytest.fixture(scope="module")
def house(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, list[str]]]:
    folder = tmp_path_factory.mktemp("e2e")
    shutil.copyfile(sqlite_template, folder / "chappe.sqlite3")
    with Installation(folder, f"sqlite:///{folder / 'chappe.sqlite3'}") as made:
        keys = made.people(*(f"Organisation {index}" for index in range(12)))
        made.environment["CHAPPE_LINK_URL"] = f"http://{HOST}:{made.port}"
        made.up()
        yield made, keys


@pytest.fixture
def scene(house: tuple[Installation, list[str]]) -> Iterator[Scene]:
    installation, keys = house
    with SimulatorProcess(Quirks(receipt_delay_ms=100.0)) as smsc:
        made = Scene(installation.client(keys.pop()), smsc)
        yield made
        if made.connection:
            made.api.call("PATCH", f"/v1/connections/{made.connection}", {"is_enabled": False})


def do_the_main_job(scene: Scene) -> None:
    """From the connection to the report."""
    scene.connect()
    found = scene.api.post(f"/v1/connections/{scene.connection}/verify", {"test_number": "+33699999999"})
    assert found["is_usable"], found
    assert [one["text"] for one in scene.received("+33699999999")] != []

    list_id = scene.import_people([*people(300), "bad,12,Nobody", "twice,0600000000,Again"])
    scene.api.post("/v1/quarantine", {"address": number(1), "reason": "asked by post"})
    delivery = scene.analysed(list_id, "Bonjour {{ name }}, à demain.", category="marketing", sender="36111")
    report = scene.report(delivery)
    assert report["audience"] == 302
    assert report["exclusions"] == {"bad_number": 1, "duplicate": 1, "quarantine": 1}
    assert scene.received(number(5)) == []

    scene.act(delivery, "send")
    scene.wait_for_status(delivery, "finished")
    until(lambda: scene.states(delivery) == {"delivered": 299, "excluded": 3}, 20, "the receipts of all")
    report = scene.report(delivery)
    assert (report["segments"], report["failures"]) == (299, [])
    assert [one["text"] for one in scene.received(number(5))] == ["Bonjour Person 5, à demain."]
    assert scene.received(number(1)) == []
    assert scene.smsc.stats().duplicates == 0


def send_one_message(scene: Scene) -> None:
    """Through the API, with an emoji, to its receipt and its timeline."""
    text = "Votre code est 123456 😀 " + "x" * 60
    answer = scene.send_one(number(50_000), text, client_reference="order 7")
    assert (answer["state"], answer["segments"], answer["encoding"]) == ("waiting", 2, "ucs2")
    message = scene.wait_for_message(answer["id"], "delivered")
    assert (message["recipient"], message["client_reference"]) == (number(50_000), "order 7")
    assert message["created_at"] <= message["sent_at"] <= message["done_at"]
    assert len({one["provider_message_id"] for one in message["provider_segments"]}) == 2
    timeline = scene.api.get(f"/v1/messages/{answer['id']}/timeline")
    assert timeline["state"] == "delivered"
    assert timeline["entries"] == sorted(timeline["entries"], key=lambda entry: entry["at"])
    found = scene.api.get(f"/v1/messages?recipient={number(50_000).removeprefix('+')}")["items"]
    assert [one["id"] for one in found] == [answer["id"]]


def follow_links(scene: Scene) -> None:
    """Addresses go out as short links, measured as such; who opens one is led on and counted in the report."""
    shop = "https://shop.example/sale"
    list_id = scene.import_people(people(3, start=70_000))
    body = "Bonjour {{ name }}: " + shop + "?who={{ phone }}" + "&x=" + "y" * 160
    delivery = scene.analysed(list_id, body, follow_links=True)
    assert scene.report(delivery)["segments"] == 3
    scene.act(delivery, "send")
    until(lambda: scene.states(delivery) == {"delivered": 3}, 20, "the receipts of all")
    for index in (70_000, 70_001):
        ((words, link),) = [one["text"].split(": ") for one in scene.received(number(index))]
        assert words == f"Bonjour Person {index - 70_000}"
        assert opened(link).startswith(f"{shop}?who={number(index)}&x=yyy")
    assert opened(link, "facebookexternalhit/1.1").startswith(shop)
    told = {"people": 2, "clicks": 2, "machine_clicks": 1}
    until(lambda: scene.report(delivery)["links"] == told, 10, "the count")
    assert scene.api.get(f"/v1/deliveries/{delivery}/links") == {**told, "items": [{"url": shop, **told}]}


def opened(link: str, browser: str = PHONE) -> str:
    """Where a short link leads."""
    parts = urlsplit(link)
    asked = HTTPConnection(parts.netloc, timeout=10)
    try:
        asked.request("GET", parts.path, headers={"User-Agent": browser})
        answer = asked.getresponse()
        assert answer.status == 302
        return answer.headers["Location"]
    finally:
        asked.close()


def test_the_main_job_is_done_from_connection_to_report(scene: Scene) -> None:
    do_the_main_job(scene)
    send_one_message(scene)


def test_links_that_are_followed_lead_on_and_are_counted(scene: Scene) -> None:
    scene.connect()
    follow_links(scene)


@pytest.mark.postgresql
def test_the_main_job_is_done_on_postgresql(postgresql_url: str, tmp_path: Path) -> None:
    with SimulatorProcess(Quirks(receipt_delay_ms=100.0)) as smsc, Installation(tmp_path, postgresql_url) as house:
        (key,) = house.people("Relais")
        house.environment["CHAPPE_LINK_URL"] = f"http://{HOST}:{house.port}"
        house.up()
        scene = Scene(house.client(key), smsc)
        do_the_main_job(scene)
        send_one_message(scene)
        follow_links(scene)
        stop_and_send(scene)


def stop_and_send(scene: Scene) -> None:
    """A STOP counts for the next message within a second of our acknowledgement, and is answered."""
    phone = number(60_000)
    scene.wait_for_message(scene.send_one(phone)["id"], "delivered")
    before = len(scene.received(phone))
    acknowledged = scene.smsc.stats().texts_acknowledged
    scene.text_from(phone, "Stop")
    until(lambda: scene.smsc.stats().texts_acknowledged > acknowledged, 10, "the acknowledgement")
    started = time.monotonic()
    answer = until(lambda: one if (one := scene.send_one(phone))["state"] == "excluded" else None, 1, "the exclusion")
    assert time.monotonic() - started < 1
    assert answer["reason"] == "denylisted"
    (text,) = scene.api.get(f"/v1/inbound?sender={phone.removeprefix('+')}")["items"]
    assert (text["body"], text["keyword"], text["action"]) == ("Stop", "STOP", "send_to_quarantine")
    reply = scene.wait_for_message(text["reply_message_id"], "sent")  # replies ask for no receipt
    assert reply["recipient"] == phone
    assert scene.received(phone)[0]["text"] == REPLY
    assert before >= 1


def test_a_stop_counts_for_the_next_message_and_is_answered(scene: Scene) -> None:
    scene.connect()
    stop_and_send(scene)


def test_a_stop_takes_a_message_out_of_the_queue(scene: Scene) -> None:
    """Messages that wait behind a limit of speed: who writes STOP meanwhile gets none."""
    scene.connect(max_mt_per_s=4)
    list_id = scene.import_people(people(20, 70_000))
    delivery = scene.analysed(list_id, "Bonjour", category="marketing", validity_s=600)
    scene.act(delivery, "send")
    until(lambda: scene.smsc.stats().messages >= 1, 15, "the first message")
    last = next(n for n in range(70_019, 70_000, -1) if not scene.received(number(n)))
    scene.text_from(number(last), "STOP")
    until(lambda: scene.states(delivery).get("excluded") == 1, 20, "the exclusion of who wrote STOP")
    until(lambda: scene.states(delivery) == {"delivered": 19, "excluded": 1}, 30, "the end of the others")
    assert [one["text"] for one in scene.received(number(last))] in ([], [REPLY])


def test_a_delivery_is_paused_resumed_and_cancelled(scene: Scene) -> None:
    scene.connect(max_mt_per_s=20)
    delivery = scene.analysed(scene.import_people(people(400, 80_000)), "Bonjour")
    scene.act(delivery, "send")
    until(lambda: scene.smsc.stats().messages >= 5, 15, "the first messages")
    assert scene.act(delivery, "pause")["status"] == "paused"

    def is_still() -> bool:
        before = scene.smsc.stats().messages
        time.sleep(1.2)  # what a second of silence is can only be found out by waiting for it
        return scene.smsc.stats().messages == before

    until(is_still, 10, "a second without a message")
    held = scene.states(delivery)
    assert held["waiting"] > 200
    assert scene.act(delivery, "resume")["status"] == "sending"
    paused_at = scene.smsc.stats().messages
    until(lambda: scene.smsc.stats().messages > paused_at + 5, 15, "messages after the pause")
    scene.act(delivery, "cancel")
    until(lambda: set(scene.states(delivery)) <= {"delivered", "cancelled"}, 30, "the end of all")
    states = scene.states(delivery)
    assert states["cancelled"] > 100
    assert states["delivered"] == scene.smsc.stats().unique
    with pytest.raises(ApiError):
        scene.act(delivery, "resume")


def test_a_setting_changes_without_a_restart(house: tuple[Installation, list[str]], scene: Scene) -> None:
    installation, _ = house
    before = {name: installation.pid(name) for name in ("engine", "web", "jobs")}
    scene.connect()
    first = scene.send_one(number(90_000))
    scene.wait_for_message(first["id"], "delivered")
    path = f"/v1/connections/{scene.connection}"
    with SimulatorProcess(Quirks(receipt_delay_ms=100.0)) as other:
        scene.api.call("PATCH", path, {"settings": {"port": other.port, "source_number": "RELAIS"}})
        until(lambda: any(link.is_open for link in other.stats().links), 15, "the link to the other provider")
        second = scene.send_one(number(90_001))
        scene.wait_for_message(second["id"], "delivered")
        assert [one["sender"] for one in other.get("/messages", destination=number(90_001)[1:])] == ["RELAIS"]
        scene.api.call("PATCH", path, {"settings": {"port": scene.smsc.port}})
        until(lambda: any(link.is_open for link in scene.smsc.stats().links), 15, "the link back")
    assert scene.received(number(90_001)) == []
    scene.api.call("PATCH", path, {"is_enabled": False})
    until(lambda: not any(link.is_open for link in scene.smsc.stats().links), 15, "the end of the links")
    assert {name: installation.pid(name) for name in before} == before


def test_one_organisation_sees_nothing_of_another(house: tuple[Installation, list[str]], scene: Scene) -> None:
    installation, keys = house
    scene.connect()
    answer = scene.send_one(number(91_000))
    stranger = installation.client(keys.pop())
    for path in (f"/v1/messages/{answer['id']}", f"/v1/connections/{scene.connection}"):
        with pytest.raises(ApiError):
            stranger.get(path)
    with pytest.raises(ApiError, match="there is no enabled connection"):
        stranger.post("/v1/messages", {"to": number(91_001), "text": "x", "connection_id": scene.connection})
    assert stranger.get(f"/v1/messages?recipient={number(91_000)[1:]}")["items"] == []


def demo(folder: Path, people: int, *more: str) -> list[str]:
    start = "from chappe.cli import main; main()"
    return [sys.executable, "-c", start, "demo", "--people", str(people), "--data", str(folder / "demo"), *more]


def test_the_demo_finds_that_every_count_agrees(tmp_path: Path) -> None:
    asked = demo(tmp_path, 500, "--exit")
    done = subprocess.run(asked, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Every count agrees" in done.stdout


def test_the_demo_of_two_installations_finds_that_every_count_agrees_on_both_sides(tmp_path: Path) -> None:
    asked = demo(tmp_path, 500, "--exit", "--mid")
    done = subprocess.run(asked, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Every count agrees on both sides" in done.stdout


def test_the_demo_leaves_the_console_up_for_whoever_has_its_link(tmp_path: Path) -> None:
    process = subprocess.Popen(demo(tmp_path, 100), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        link = next(line.strip() for line in process.stdout if "/people/invitation/" in line)
        with urllib.request.urlopen(link, timeout=20) as page:
            assert "Welcome" in page.read().decode()
    finally:
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said[-3000:]
