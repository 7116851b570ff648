"""Every HTTP provider from end to end: a running installation, its API from outside, the simulated providers that call its
hooks. What was sent is delivered by the providers' own signed reports, and a STOP by any of them holds for all."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.installation import Installation, until
from tests.online import settings_for

from chappe.cli.client import ApiError, Client
from chappe.providers import registry
from chappe.simulator.http_quirks import HttpQuirks, VendorQuirks
from chappe.simulator.process import HttpSimulatorProcess

VENDORS = [one for one in registry.VENDORS if one not in ("custom", "esp")]
FEEDBACK = '{"id": "{{message_id}}", "to": "x", "status": "{{feedbackStatus}}", "error": "{{failureCode}}"}'
INBOUND = (
    '{"id": "{{RequestID}}", "from": "{{ProfileNumber}}", "to": "{{InboundNumber}}", "text": "{{InboundMessage}}"}'
)
STATUSES = {"delivered": "delivered", "failed": "failed", "sent": "sent", "read": "read", "opened": "read"}
PROOF = {"kind": "hmac", "header": "X-Signature", "secret": "simulator"}
PEOPLE = 20


class Scene:
    """One organisation, a connection with each provider, and what they all share."""

    def __init__(self, api: Client, provider: HttpSimulatorProcess, home: Installation) -> None:
        self.api, self.provider, self.home = api, provider, home
        self.connections: dict[str, int] = {}

    def connect(self, key: str, **settings: Any) -> int:
        values = {**settings_for(key, self.provider.url), **settings}
        made = self.api.post("/v1/connections", {"name": key, "provider": key, "settings": values})
        self.connections[key] = int(made["id"])
        return int(made["id"])

    def hooks_of(self, key: str, organisation_id: int) -> None:
        """Tell the simulated provider where this organisation's hooks are."""
        base = f"http://127.0.0.1:{self.home.port}/v1/receive/distribution"
        urls = {f"{mine}_url": f"{base}/{kind}/{key}/{organisation_id}" for mine, kind in KINDS.items()}
        self.provider.post("/quirks", vendors={key: urls})

    def custom_hooks(self, key: str) -> None:
        for kind, payload in (("inbound", INBOUND), ("feedback", FEEDBACK)):
            values: dict[str, Any] = {
                "connection_id": self.connections[key],
                "name": f"{key} {kind}",
                "kind": kind,
                "payload": payload,
                "proof": PROOF,
            }
            if kind == "feedback":
                values["statuses"] = STATUSES
            url = self.api.post("/v1/hooks", values)["url"]
            mine = "inbound_url" if kind == "inbound" else "status_url"
            self.provider.post("/quirks", vendors={key: {mine: url, "account": {"hook_auth": "hmac"}}})

    def send(self, key: str, numbers: list[str], text: str) -> list[int]:
        wanted = [
            {"to": one, "text": text.replace("WHOM", one), "connection_id": self.connections[key]} for one in numbers
        ]
        return [int(self.api.post("/v1/messages", one)["id"]) for one in wanted]

    def states(self, ids: list[int]) -> list[str]:
        return [self.api.get(f"/v1/messages/{one}")["state"] for one in ids]


KINDS = {"status": "status", "inbound": "message"}
EVERY = VendorQuirks(
    status_delay_ms=50,
    status_spread_ms=100,
    intermediate=True,
    duplicate_fraction=0.3,
    out_of_order_fraction=0.3,
    unknown_fraction=0.2,
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("providers")
    quirks = HttpQuirks(vendors={"*": EVERY}, hook_pause_ms=200)
    with (
        HttpSimulatorProcess(quirks) as provider,
        Installation(folder, f"sqlite:///{folder / 'chappe.sqlite3'}") as home,
    ):
        home.environment["CHAPPE_PUBLIC_URL"] = f"http://127.0.0.1:{home.port}"
        (key,) = home.people("Relais")
        home.up()
        made = Scene(home.client(key), provider, home)
        for vendor in registry.VENDORS:
            more = {}
            if vendor == "messagemedia":
                more = {"webhook_public_key": provider.get("/keys")["messagemedia"]["public_key"]}
            made.connect(vendor, **more)
            if vendor in VENDORS:
                made.hooks_of(vendor, 1)
            else:
                made.custom_hooks(vendor)
        yield made


def number(key: str, place: int) -> str:
    return f"+336{list(registry.HTTP).index(key):02d}{place:06d}"


@pytest.mark.parametrize("key", [*VENDORS, "custom"])
def test_messages_are_delivered_by_the_reports_of_their_provider(scene: Scene, key: str) -> None:
    ids = scene.send(key, [number(key, place) for place in range(PEOPLE)], "Bonjour WHOM")
    until(lambda: scene.states(ids) == ["delivered"] * PEOPLE, 30, f"the delivery by {key}")
    assert scene.provider.stats().duplicates == 0


def test_mails_are_delivered_by_the_reports_of_their_provider(scene: Scene) -> None:
    mail = json.dumps({"to": "WHOM", "from": "shop@example.org", "subject": "Hello", "html": "Bonjour"})
    ids = scene.send("esp", [f"marie{place}@example.org" for place in range(PEOPLE)], mail)
    until(lambda: scene.states(ids) == ["delivered"] * PEOPLE, 30, "the delivery by the e-mail provider")


@pytest.mark.parametrize("key", [*VENDORS, "custom"])
def test_a_stop_by_any_provider_holds_for_every_connection(scene: Scene, key: str) -> None:
    person = number(key, 900_000)
    order = {"vendor": key, "from": person, "to": "+33600000000", "text": "Stop."}
    scene.provider.post("/inbound", **order)

    def is_left_alone() -> bool:
        found = scene.api.get(f"/v1/quarantine?address={person.removeprefix('+')}")["items"]
        return [one["status"] for one in found] == ["denylisted"]

    until(is_left_alone, 10, f"the heeding of the STOP by {key}")
    for other in (*VENDORS, "custom"):
        (message_id,) = scene.send(other, [person], "Bonjour WHOM")
        assert scene.states([message_id]) == ["excluded"]


HOOK_SECRETS = {
    "twilio": "auth_token",
    "link_mobility": "password",
    "sinch": "webhook_secret",
    "infobip": "hook_password",
    "vonage": "signature_secret",
    "messagebird": "signing_key",
    "custom": "hook_secret",
}
"""What each provider proves itself by, as the simulator's accounts call it."""


def test_calls_with_another_secret_are_refused_and_change_nothing(scene: Scene) -> None:
    person, before = "+33699000001", refused(scene)
    accounts = {
        key: {"account": {name: "another-secret-0123456789-0123456789-0123456789"}}
        for key, name in HOOK_SECRETS.items()
    }
    scene.provider.post("/quirks", vendors=accounts)
    for key in HOOK_SECRETS:
        scene.provider.post("/inbound", vendor=key, **{"from": person, "to": "+33600000000", "text": "STOP"})
    until(lambda: refused(scene) >= before + len(HOOK_SECRETS), 20, "the refusal of all")
    assert scene.api.get(f"/v1/quarantine?address={person.removeprefix('+')}")["items"] == []
    assert scene.api.get(f"/v1/inbound?sender={person.removeprefix('+')}")["items"] == []


def refused(scene: Scene) -> int:
    hooks = scene.provider.stats().texts
    return sum(count for status, count in hooks.refused.items() if 400 <= status < 500)


def test_another_organisation_is_told_nothing(scene: Scene) -> None:
    with pytest.raises(ApiError):
        Client("127.0.0.1", scene.home.port, "chp_nobodys").get("/v1/hooks")
