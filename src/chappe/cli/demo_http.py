"""The second part of `chappe demo`: the same text to some of the same people by HTTP, through a vendor and through a provider
described by settings alone; its hooks are called by both."""

from collections.abc import Callable
from typing import Any

from chappe.cli.client import Client, wait
from chappe.simulator import HttpQuirks, HttpSimulatorProcess, VendorQuirks
from chappe.simulator.http_quirks import InboundText, VendorRefusal

PEOPLE = 1_000
OWN_NUMBER = "+33700000001"
CLIENT_SECRET = "simulator"  # noqa: S105 - of the bundled simulator
ACCOUNT_SID = "AC" + "0" * 32
INVALID, STOPPED = VendorRefusal("77$", 21211, 1.0), VendorRefusal("55$", 21610, 1.0)
_SHARED: dict[str, Any] = {
    "latency_ms": 5.0,
    "throttled_fraction": 0.005,
    "retry_after_s": 0.2,
    "status_delay_ms": 200.0,
    "status_spread_ms": 500.0,
    "intermediate": True,
    "duplicate_fraction": 0.05,
    "out_of_order_fraction": 0.05,
    "unknown_fraction": 0.01,
    "inbound": (InboundText("STOP", reply_to="", probability=0.01, delay_ms=300.0),),
}
CUSTOM_ACCOUNT = {"auth": "oauth", "hook_auth": "hmac"}
QUIRKS = HttpQuirks(
    identity=r"(\d?C\d{6}) : ",
    hook_pause_ms=200.0,
    vendors={
        "twilio": VendorQuirks(**_SHARED, refusals=(INVALID, STOPPED)),
        "custom": VendorQuirks(**_SHARED, account=CUSTOM_ACCOUNT, read_fraction=0.3),
    },
)
PAYLOAD = """{
  "to": "{{toNumber}}", "from": "{{fromNumber}}", "text": "{{message}}", "reference": "{{message_id}}"
}"""
FEEDBACK = '{"id": "{{message_id}}", "status": "{{feedbackStatus}}", "error": "{{failureCode}}"}'
INBOUND = (
    '{"id": "{{RequestID}}", "from": "{{ProfileNumber}}", "to": "{{InboundNumber}}", "text": "{{InboundMessage}}"}'
)
STATUSES = {"delivered": "delivered", "failed": "failed", "sent": "sent", "read": "read"}

Agree = Callable[..., None]


def connect_vendor(api: Client, providers: HttpSimulatorProcess, public_url: str) -> int:
    """A connection with the simulated Twilio; where it brings texts is entered at the vendor, as everybody has to."""
    settings = {
        "account_sid": ACCOUNT_SID,
        "auth_token": CLIENT_SECRET,
        "sender": OWN_NUMBER,
        "base_url": providers.url("twilio"),
        "allowed_networks": "127.0.0.0/8",
        "max_per_s": 0,
    }
    made = api.post("/v1/connections", {"name": "Twilio (simulated)", "provider": "twilio", "settings": settings})
    inbound = f"{public_url}/v1/receive/distribution/message/twilio/1"
    providers.post("/quirks", vendors={"twilio": {"inbound_url": inbound}})
    return int(made["id"])


def connect_custom(api: Client, providers: HttpSimulatorProcess) -> int:
    """A connection with a provider that nobody wrote code for: OAuth, a payload, an answer, and two hooks with HMAC."""
    base = providers.url("custom")
    settings = {
        "provider_name": "Bundled provider",
        "url": f"{base}/messages",
        "sender": OWN_NUMBER,
        "auth_type": "oauth",
        "oauth_url": f"{base}/oauth/token",
        "oauth_body": (
            '{"grant_type": "client_credentials", "client_id": "client", "client_secret": "' + CLIENT_SECRET + '"}'
        ),
        "payload": PAYLOAD,
        "message_id_field": "id",
        "allowed_networks": "127.0.0.0/8",
    }
    made = api.post("/v1/connections", {"name": "Custom (simulated)", "provider": "custom", "settings": settings})
    for kind, payload, knob in (("feedback", FEEDBACK, "status_url"), ("inbound", INBOUND, "inbound_url")):
        hook: dict[str, Any] = {"connection_id": made["id"], "name": f"Custom {kind}", "kind": kind, "payload": payload}
        hook["proof"] = {"kind": "hmac", "header": "X-Signature", "secret": CLIENT_SECRET}
        if kind == "feedback":
            hook["statuses"] = STATUSES
        url = api.post("/v1/hooks", hook)["url"]
        providers.post("/quirks", vendors={"custom": {knob: url}})
    return int(made["id"])


def verify(api: Client, connection_id: int, agree: Agree, name: str) -> None:
    """`chappe check`, with a test message."""
    found = api.post(
        f"/v1/connections/{connection_id}/verify", {"test_number": "+33600000000", "test_text": f"{name}: test"}
    )
    problems = [one["text"] for one in found["findings"] if one["level"] == "error"]
    agree(f"{name}: problems found by a check{': ' + problems[0] if problems else ''}", len(problems), 0)


def deliver(api: Client, list_id: int, connection_id: int, body: str) -> dict[str, Any]:
    """Send to the list through the connection and wait for the end of every message; the report."""
    made = api.post(
        "/v1/deliveries",
        {
            "label": f"Points of the month, by HTTP ({connection_id})",
            "list_id": list_id,
            "connection_id": connection_id,
            "category": "marketing",
            "body": body,
            "validity_s": 3600,
        },
    )
    path = f"/v1/deliveries/{made['id']}"
    api.post(f"{path}/analyse")
    wait(lambda: api.get(path)["status"] == "ready", 60, "the analysis")
    api.post(f"{path}/send")

    def ended() -> Any:
        report = api.get(f"{path}/report")
        states = report["states"]
        left = states.get("waiting", 0) + states.get("sent", 0) + states.get("unconfirmed", 0)
        return report if not left else None

    report: dict[str, Any] = wait(ended, 60, "the end of every message", every_s=0.25)
    return report


def quiet(providers: HttpSimulatorProcess) -> None:
    """Until all that the providers have to tell is told."""

    def is_quiet() -> bool:
        stats = providers.stats()
        hooks = (stats.statuses, stats.texts)
        return all(one.held == 0 and one.acknowledged + one.given_up >= one.planned for one in hooks)

    wait(is_quiet, 60, "the end of the providers' calls", every_s=0.25)
