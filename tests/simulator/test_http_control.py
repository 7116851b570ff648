"""The control requests of the HTTP simulator, its profiles, its TLS and its process."""

import json
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.engine.certificate import issue
from tests.simulator.client import in_loop
from tests.simulator.http_client import PHONE, control, get, message, quirks, receiver, send, settled

from chappe.messaging import ConfigError
from chappe.simulator import HttpQuirks, HttpSimulator, HttpSimulatorProcess, VendorQuirks
from chappe.simulator.http_control import ROUTES
from chappe.simulator.http_profile import PROFILES, load, of_vendor, parse
from chappe.simulator.http_reference import render
from chappe.simulator.process import SimulatorError
from chappe.simulator.vendors import VENDORS

COMMAND = [sys.executable, "-m", "chappe.simulator.http_process", "--port", "0"]


@in_loop
async def test_counts_and_messages_are_answered_in_json() -> None:
    async with HttpSimulator() as simulator:
        await send(simulator, message("twilio"))
        await send(simulator, message("custom", to="+33600000001"))
        stats = (await get(simulator, "/simulator/stats")).json
        assert (stats["messages"], stats["unique"]) == (2, 2)
        assert stats["vendors"]["twilio"]["answers"] == {"201": 1}
        messages = (await get(simulator, "/simulator/messages?destination=%2B33600000001")).json
        assert [(one["vendor"], one["destination"]) for one in messages] == [("custom", "+33600000001")]
        assert (await get(simulator, "/simulator/duplicates")).json == {"count": 0, "last": []}


@in_loop
async def test_knobs_of_one_vendor_leave_the_others_alone() -> None:
    async with HttpSimulator() as simulator:
        change = {"twilio": {"throttled_fraction": 1, "unlucky_tries": 0}, "custom": {"account": {"auth": "basic"}}}
        assert (await control(simulator, "quirks", vendors=change)).status == 200
        assert (await send(simulator, message("twilio"))).status == 429
        assert (await send(simulator, message("messagebird"))).status == 201
        await control(simulator, "quirks", vendors={"twilio": {"latency_ms": 1}, "custom": {"account": {"user": "a"}}})
        assert (await send(simulator, message("twilio"))).status == 429
        assert simulator.vendors["custom"].account["auth"] == "basic"
        await control(simulator, "quirks", vendors={"*": {"throttled_fraction": 0}})
        assert (await send(simulator, message("twilio"))).status == 201


@in_loop
async def test_credentials_go_in_and_do_not_come_out() -> None:
    async with HttpSimulator() as simulator:
        answer = await control(simulator, "quirks", vendors={"twilio": {"account": {"auth_token": "hush"}}})
        shown = await get(simulator, "/simulator/quirks")
        assert b"hush" not in answer.body + shown.body
        assert shown.json["vendors"]["twilio"]["account"] == {"auth_token": "********"}
        assert (await send(simulator, message("twilio"))).status == 401


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"latency": 1}, "latency"),
        ({"seed": 3}, "seed"),
        ({"identity": "no group"}, "identity"),
        ({"vendors": {"twilo": {}}}, "vendors.twilo"),
        ({"vendors": {"twilio": {"latency": 1}}}, "vendors.twilio.latency"),
        ({"vendors": {"twilio": 1}}, "vendors.twilio"),
        ({"vendors": {"twilio": {"account": {"sid": ""}}}}, "vendors.twilio.account.sid"),
        ({"vendors": {"twilio": {"refusals": [{"patern": ""}]}}}, "vendors.twilio.refusals[0].patern"),
        ({"vendors": {"twilio": {"refusals": [{"pattern": "(", "code": 1}]}}}, "vendors.twilio.refusals[0].pattern"),
        ({"vendors": {"twilio": {"inbound": [{"text": "x"}]}}}, "vendors.twilio.inbound[0]"),
        ({"vendors": {"twilio": {"hook_address": "nowhere"}}}, "vendors.twilio.hook_address"),
        ({"vendors": {"twilio": {"status_url": "ftp://x"}}}, "vendors.twilio.status_url"),
        ({"vendors": {"custom": {"account": {"auth": "magic"}}}}, "vendors.custom.account.auth"),
        ({"vendors": {"esp": {"account": {"hash": "crc"}}}}, "vendors.esp.account.hash"),
        ({"vendors": {"vonage": {"account": {"signature_method": "x"}}}}, "vendors.vonage.account.signature_method"),
        ({"vendors": {"messagemedia": {"account": {"digest": "MD5"}}}}, "vendors.messagemedia.account.digest"),
        ({"vendors": {"messagebird": {"account": {"algorithm": "none"}}}}, "vendors.messagebird.account.algorithm"),
    ],
)
@in_loop
async def test_knobs_that_cannot_be_are_named_and_change_nothing(values: dict[str, Any], field: str) -> None:
    async with HttpSimulator() as simulator:
        before = simulator.quirks
        answer = await control(simulator, "quirks", **values)
        assert (answer.status, field in answer.json["errors"]) == (400, True), answer.json
        assert simulator.quirks is before


@in_loop
async def test_a_value_of_another_kind_is_refused_with_its_place() -> None:
    async with HttpSimulator() as simulator:
        answer = await control(simulator, "quirks", vendors={"twilio": {"latency_ms": -1}})
        [(field, text)] = answer.json["errors"].items()
        assert answer.status == 400
        assert "latency_ms" in field
        assert ">= 0" in text


@in_loop
async def test_counting_begins_again_after_a_reset_and_planned_hooks_still_come() -> None:
    async with receiver() as hooks:
        more = {"status_url": f"{hooks.base}/s", "status_delay_ms": 300}
        async with HttpSimulator(quirks("custom", **more)) as simulator:
            await send(simulator, message("custom"))
            await control(simulator, "reset")
            stats = simulator.stats()
            assert (stats.messages, stats.statuses.held) == (0, 1)
            await settled(simulator)
            assert (simulator.stats().statuses.acknowledged, len(hooks.hooks)) == (1, 1)


@in_loop
async def test_a_text_needs_a_vendor_and_somewhere_to_go() -> None:
    async with HttpSimulator() as simulator:
        order: dict[str, Any] = {"from": PHONE, "to": "1", "text": "x"}
        for vendor, said in (("twilio", "inbound_url"), ("nobody", "none of")):
            answer = await control(simulator, "inbound", vendor=vendor, **order)
            assert (answer.status, said in answer.json["errors"]["vendor"]) == (400, True)


@in_loop
async def test_browsers_of_other_sites_change_nothing() -> None:
    async with (
        HttpSimulator() as simulator,
        aiohttp.ClientSession() as session,
        session.post(
            f"http://{simulator.host}:{simulator.port}/simulator/reset", headers={"Origin": "https://evil.example"}
        ) as answer,
    ):
        assert answer.status == 403


@in_loop
async def test_paths_and_methods_that_do_not_exist_say_which_do() -> None:
    async with HttpSimulator() as simulator:
        missing = await get(simulator, "/simulator/nothing")
        assert (missing.status, all(name in missing.json["errors"]["path"] for name in ROUTES)) == (404, True)
        assert (await get(simulator, "/simulator/reset")).status == 405
        nowhere = (await get(simulator, "/")).json["errors"]["path"]
        assert all(name in nowhere for name in VENDORS)
        for name in VENDORS:
            assert (await get(simulator, f"/{name}/nothing")).status == 404


# -- profiles --------------------------------------------------------------------------------------------------------


def test_profiles_load_by_name_and_from_files(tmp_path: Path) -> None:
    assert load("demo") is PROFILES["demo"]
    toml = tmp_path / "q.toml"
    toml.write_text('profile = "throttled"\nseed = 4\n[vendors.twilio]\nlatency_ms = 9\n')
    loaded = load(str(toml))
    assert (loaded.seed, of_vendor(loaded, "twilio").latency_ms, of_vendor(loaded, "twilio").rate_limit) == (4, 9, 50)
    assert of_vendor(loaded, "sinch").latency_ms == 0
    with pytest.raises(ConfigError):
        load("no such thing")


@pytest.mark.parametrize("name", list(PROFILES))
@in_loop
async def test_every_profile_runs(name: str) -> None:
    async with HttpSimulator(name) as simulator:
        assert (await get(simulator, "/simulator/stats")).status == 200


def test_the_same_recipients_fare_alike_again() -> None:
    one, other = (parse({"seed": 9, "vendors": {"*": {"throttled_fraction": 0.5}}}) for _ in range(2))
    assert one == other


# -- TLS -------------------------------------------------------------------------------------------------------------


@in_loop
async def test_a_client_without_a_certificate_is_turned_away(tmp_path: Path) -> None:
    authority = issue("Test authority", is_authority=True)
    ca, _ = authority.write(tmp_path, "ca")
    certificate, tls_key = issue("127.0.0.1", by=authority).write(tmp_path, "server")
    client, client_key = issue("client.test", by=authority).write(tmp_path, "client")
    stranger, stranger_key = issue("client.test", by=issue("Other", is_authority=True)).write(tmp_path, "stranger")
    mtls = HttpQuirks(tls_certificate=certificate, tls_key=tls_key, client_ca=ca)
    async with HttpSimulator(mtls) as simulator:
        assert simulator.url("custom").startswith("https://")
        assert await _reaches(simulator, ca, client, client_key)
        assert not await _reaches(simulator, ca)
        assert not await _reaches(simulator, ca, stranger, stranger_key)
        assert simulator.stats().accepted == 1


async def _reaches(simulator: HttpSimulator, ca: str, certificate: str = "", tls_key: str = "") -> bool:
    context = ssl.create_default_context(cafile=ca)
    if certificate:
        context.load_cert_chain(certificate, tls_key)
    ask = message("custom")
    connector = aiohttp.TCPConnector(ssl=context)
    try:
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(f"{simulator.url('custom')}/messages", data=ask.octets()) as answer,
        ):
            return answer.status == 200
    except (aiohttp.ClientError, OSError):
        return False


@pytest.mark.parametrize(
    ("values", "field"),
    [({"tls_key": "k.pem"}, "tls_key"), ({"client_ca": "ca.pem"}, "client_ca")],
)
def test_tls_is_given_whole(values: dict[str, str], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(values)
    assert [one.field for one in caught.value.errors] == [field]


# -- the process -----------------------------------------------------------------------------------------------------


@in_loop
async def test_a_process_takes_messages_and_tells_its_counts() -> None:
    with HttpSimulatorProcess(quirks("twilio", latency_ms=1)) as simulator:
        answer = await send(simulator, message("twilio"))  # type: ignore[arg-type]
        assert answer.status == 201
        assert simulator.stats().vendors["twilio"].answers == {201: 1}
        assert simulator.get("/messages", destination=PHONE)[0]["text"] == "Bonjour #7"
        with pytest.raises(SimulatorError, match="latency"):
            simulator.post("/quirks", latency=1)


def test_the_first_line_and_the_ready_file_say_where_it_listens(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    with subprocess.Popen([*COMMAND, "--ready-file", str(ready)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        ports = json.loads(process.stdout.readline())
        assert json.loads(ready.read_text()) == ports
        assert ports["port"] > 0
        process.terminate()
        assert process.wait(10) == 0


def test_unknown_quirks_end_the_start_with_a_reason() -> None:
    done = subprocess.run([*COMMAND, "--quirks", "nothing"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "demo" in done.stderr


# -- the page --------------------------------------------------------------------------------------------------------


def test_every_knob_and_every_vendor_is_described() -> None:
    page = render()
    names = [*HttpQuirks.__struct_fields__, *VendorQuirks.__struct_fields__, *VENDORS]
    names += [name for vendor in VENDORS.values() for name in vendor.ACCOUNT]
    assert [name for name in names if f"`{name}`" not in page] == []
