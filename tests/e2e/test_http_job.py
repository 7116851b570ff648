"""The main job through providers that are called by HTTP: people from a file, deliveries by a vendor, by an e-mail provider
and by a custom one, whose counts equal ours."""

import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.installation import Installation, until
from tests.online import settings_for

from chappe.cli.client import ApiError, Client
from chappe.simulator.http_quirks import HttpQuirks
from chappe.simulator.process import HttpSimulatorProcess

PEOPLE = 300
PAYLOAD = (
    '{"to": "{{toNumber}}", "from": "{{fromNumber}}", "text": "{{profile.name}}/{{delivery.name}}: {{message}}", '
    '"reference": "{{message_id}}", "rich": {{content}}}'
)
LETTER = (
    '{"to": "{{ user_identifier }}", "from": "shop@example.org", "subject": "For {{ name }}", "html": "{{ name }}"}'
)
NUMBERS = itertools.count(1)


class Scene:
    """An organisation with a connection of each kind, and a list."""

    def __init__(self, api: Client, provider: HttpSimulatorProcess) -> None:
        self.api, self.provider = api, provider
        self.connections: dict[str, int] = {}
        self.list_id = 0

    def connect(self, key: str, **settings: Any) -> None:
        values = {**settings_for(key, self.provider.url), **settings}
        made = self.api.post("/v1/connections", {"name": key, "provider": key, "settings": values})
        self.connections[key] = int(made["id"])

    def import_people(self, text: str) -> None:
        self.list_id = int(self.api.post("/v1/lists", {"name": f"List {next(NUMBERS)}"})["id"])
        row = self.api.post(f"/v1/lists/{self.list_id}/imports?default_region=FR&filename=people.csv", text)
        path = f"/v1/imports/{row['id']}"
        until(lambda: self.api.get(path)["status"] == "finished", 20, "the import")

    def deliver(self, body: str, **values: Any) -> Any:
        """Analyse and send a delivery; its report once everything has left."""
        given = {"label": "June", "list_id": self.list_id, "body": body, **values}
        path = f"/v1/deliveries/{self.api.post('/v1/deliveries', given)['id']}"
        self.api.post(f"{path}/analyse")
        until(lambda: self.api.get(path)["status"] == "ready", 30, "the analysis")
        self.api.post(f"{path}/send")
        until(lambda: self.api.get(path)["status"] == "finished", 30, "the end")
        report = self.api.get(f"{path}/report")
        assert sum(report["states"].values()) == report["audience"]
        return report

    def accepted(self, key: str) -> int:
        found = self.provider.stats().vendors.get(key)
        return found.accepted if found else 0

    def received(self, address: str) -> list[str]:
        return [one["text"] for one in self.provider.get("/messages", destination=address)]

    def send(self, to: str, text: str, **values: Any) -> Any:
        """A message of its own, once it has left."""
        answer = self.api.post("/v1/messages", {"to": to, "text": text, **values})
        path = f"/v1/messages/{answer['id']}?body=true"
        return until(lambda: one if (one := self.api.get(path))["state"] != "waiting" else None, 15, "the sending")


def people() -> str:
    """A file: everybody has a number and an address, but two whose address is none, one twice, and one without a number."""
    lines = [f"C{n},06{n:08d},p{n}@example.org,Person {n}" for n in range(PEOPLE)]
    lines += ["X1,0600009001,nobody,Bad", "X2,0600009002,,None", "X3,0600000007,P7@example.org,Again"]
    lines += ["X4,,only@example.org,Only"]
    return "\n".join(["external_id,phone,email,name", *lines]) + "\n"


@pytest.fixture(scope="module")
def scene(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("http")
    shutil.copyfile(sqlite_template, folder / "chappe.sqlite3")
    with (
        HttpSimulatorProcess(HttpQuirks()) as provider,
        Installation(folder, f"sqlite:///{folder / 'chappe.sqlite3'}") as home,
    ):
        (key,) = home.people("Relais")
        home.up()
        made = Scene(home.client(key), provider)
        made.connect("twilio")
        made.connect("custom", payload=PAYLOAD)
        made.connect("esp")
        made.import_people(people())
        yield made


def test_a_delivery_goes_by_the_first_connection_and_the_vendor_counts_what_we_count(scene: Scene) -> None:
    before = scene.accepted("twilio")
    report = scene.deliver("Bonjour {{ name }}")
    assert report["states"] == {"sent": PEOPLE + 2, "excluded": 2}
    assert report["exclusions"] == {"bad_number": 1, "duplicate": 1}
    assert scene.accepted("twilio") - before == PEOPLE + 2
    assert scene.received("+33600000005") == ["Bonjour Person 5"]


def test_a_delivery_by_email_goes_to_every_address_once(scene: Scene) -> None:
    before = scene.accepted("esp")
    report = scene.deliver(LETTER, channel="email")
    assert report["states"] == {"sent": PEOPLE + 1, "excluded": 3}
    assert report["exclusions"] == {"bad_address": 2, "duplicate": 1}
    assert scene.accepted("esp") - before == PEOPLE + 1
    assert scene.received("p5@example.org") == ["Person 5"]


def test_a_delivery_by_a_custom_provider_tells_it_of_the_person_and_the_delivery(scene: Scene) -> None:
    before = scene.accepted("custom")
    report = scene.deliver("Bonjour", connection_id=scene.connections["custom"])
    assert report["states"] == {"sent": PEOPLE + 2, "excluded": 2}
    assert scene.accepted("custom") - before == PEOPLE + 2
    assert scene.received("+33600000006")[0] == "Person 6/June: Bonjour"


def test_messages_of_every_channel_go_by_the_connection_that_has_it(scene: Scene) -> None:
    text = scene.send("+33699000001", "Bonjour")
    card = {"type": "card", "title": "Boots"}
    rich = scene.send("+33699000002", "Boots are here", options={"content": card})
    mail = scene.send(
        "Jane@Example.org", json.dumps({"to": "{{ user_identifier }}", "subject": "x", "from": "", "html": "x"})
    )
    used = [(one["channel"], one["connection_id"], one["state"], one["cost"]) for one in (text, rich, mail)]
    ours = scene.connections
    assert used == [
        ("sms", ours["twilio"], "sent", 0),
        ("rcs", ours["custom"], "sent", 0),
        ("email", ours["esp"], "sent", 0),
    ]
    assert scene.received("jane@example.org") == ["x"]


def test_what_names_a_replaced_connection_goes_by_the_new_one(scene: Scene) -> None:
    old = scene.connections["twilio"]
    with pytest.raises(ApiError, match="replace it"):
        scene.api.call("PATCH", f"/v1/connections/{old}", {"settings": {"sender": "+33600000001"}})
    made = scene.api.post(f"/v1/connections/{old}/replace", {"settings": {"sender": "+33600000001"}})

    def goes_by_the_new_one() -> bool:
        sent = scene.send("+33699000003", "Bonjour", connection_id=old)
        assert sent["state"] == "sent"
        return bool(sent["connection_id"] == made["id"])

    # The intake remembers connections for a second.
    until(goes_by_the_new_one, 10, "the use of the new connection")
    assert scene.provider.get("/messages", destination="+33699000003")[0]["sender"] == "+33600000001"
    scene.connections["twilio"] = int(made["id"])
