"""What a check of a connection finds, against a simulated SMSC and against peers that are none."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from tests.engine.certificate import issue

from chappe.engine.net import check as module
from chappe.engine.net import trial
from chappe.engine.net.check import Finding, check_connection
from chappe.engine.net.diagnosis import connect_words, tls_words
from chappe.engine.smpp_flow import endpoints
from chappe.providers.smpp import SPEC
from chappe.simulator import Quirks, Simulator
from chappe.simulator.message_id import IdFormat
from chappe.simulator.quirks import Failure, Garbage, Inbound, ReceiptsFor, Refusal
from chappe.smpp import CommandId, CommandStatus, DeliverTemplate, Pdu, Role, Session, Tag, Tlv, encode
from chappe.smpp.event import BindRequested, DeliverResults, Submits

SECRETS = {"password": "secret"}
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def settings(**given: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "account": "relais", "allowed_networks": "127.0.0.0/8, localhost"} | given


async def checked(port: int, number: str | None = None, text: str | None = None, **given: Any) -> list[Finding]:
    return await check_connection(settings(port=port, **given), SECRETS, test_number=number, test_text=text)


def quirks_of(**given: Any) -> Quirks:
    """An SMSC with short ids: those made from the clock are longer than the usual pattern takes."""
    return Quirks(**{"id_start": 987_654, "receipt_delay_ms": 20} | given)


def simulated(quirks: Quirks, number: str | None = None, text: str | None = None, **given: Any) -> list[Finding]:
    async def run() -> list[Finding]:
        async with Simulator(quirks) as smsc:
            return await checked(smsc.port, number, text, **given)

    return asyncio.run(run())


@asynccontextmanager
async def peer(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that does to each connection what `handler` does; its port."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def against(handler: Handler, **given: Any) -> list[Finding]:
    async def run() -> list[Finding]:
        async with peer(handler) as port:
            return await checked(port, **given)

    return asyncio.run(run())


def says(octets: bytes) -> Handler:
    """A peer that waits for the log-in, says `octets` and closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(16)
        writer.write(octets)
        await writer.drain()

    return handle


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(4096):
        pass


def texts(findings: list[Finding], level: str) -> list[str]:
    return [finding.text for finding in findings if finding.level == level]


def only(findings: list[Finding], level: str) -> str:
    found = texts(findings, level)
    assert len(found) == 1, findings
    return found[0]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


# -- settings, names, addresses -------------------------------------------------------------------------------------


def test_every_setting_that_cannot_be_used_is_named() -> None:
    findings = asyncio.run(check_connection(settings(port=0, window="many", account=""), SECRETS))
    assert {finding.level for finding in findings} == {"error"}
    assert [finding.text.partition(" expected")[0] for finding in findings] == [
        "The setting 'Port' (port):",
        "The setting 'Sending window' (window):",
    ]


def test_a_setting_that_does_not_exist_is_named() -> None:
    findings = asyncio.run(check_connection(settings(windw=10), SECRETS))
    assert only(findings, "error") == "The setting windw: is not a setting; did you mean window?."


def test_a_name_without_an_address_is_said() -> None:
    findings = asyncio.run(check_connection(settings(host="nobody.invalid"), SECRETS))
    assert "The name nobody.invalid could not be looked up" in only(findings, "error")


def test_a_name_that_cannot_be_one_is_said() -> None:
    findings = asyncio.run(check_connection(settings(host="a" * 70 + ".example"), SECRETS))
    assert "Check the server's name" in only(findings, "error")


def test_a_private_address_names_the_setting_that_would_allow_it() -> None:
    findings = asyncio.run(check_connection(settings(allowed_networks=""), SECRETS))
    assert "add 127.0.0.1" in only(findings, "error")
    assert "'Private networks allowed' (allowed_networks)" in only(findings, "error")


def test_an_address_is_named_once_and_a_name_with_its_address() -> None:
    def found(host: str) -> str:
        return only(asyncio.run(check_connection(settings(allowed_networks="", host=host), SECRETS)), "error")

    assert found("127.0.0.1").startswith("127.0.0.1 is a private or reserved address")
    assert "add 127.0.0.1 to " in found("127.0.0.1")
    assert ", or the name localhost, to " in found("localhost")


def test_a_refused_connection_is_said() -> None:
    assert "refuses the connection: nothing listens" in only(asyncio.run(checked(free_port())), "error")


def test_a_connection_that_nobody_answers_is_said() -> None:
    assert "does not answer within 10 s" in connect_words(TimeoutError(), "smsc.example.org:2775", 10)


def test_a_network_without_a_way_there_is_said() -> None:
    words = connect_words(OSError(101, "Network is unreachable"), "smsc.example.org:2775", 10)
    assert words.startswith("smsc.example.org:2775 cannot be reached: Network is unreachable.")


# -- logging in -----------------------------------------------------------------------------------------------------


def test_a_good_connection_has_nothing_but_good_findings() -> None:
    findings = simulated(Quirks())
    assert {finding.level for finding in findings} == {"ok"}
    words = " ".join(finding.text for finding in findings)
    for part in ("Connected to 127.0.0.1:", "Logged in as relais (transceiver)", "calls itself CHAPPE-SIM"):
        assert part in words
    assert "5 round trips" in words
    assert findings[-1].text == "Logged out."


def test_a_transmitter_and_a_receiver_are_told_apart() -> None:
    findings = simulated(Quirks(), mode="transmitter_receiver")
    assert {finding.level for finding in findings} == {"ok"}
    assert {finding.text.partition(":")[0] for finding in findings if "Logged in" in finding.text} == {
        "Transmitter",
        "Receiver",
    }


def test_a_receiver_with_a_wrong_account_of_its_own_is_the_one_that_is_named() -> None:
    findings = simulated(
        Quirks(accounts={"relais": "secret", "back": "other"}),
        mode="transmitter_receiver",
        receiver_differs=True,
        receiver_host="127.0.0.1",
        receiver_port=free_port(),
        receiver_account="back",
    )
    assert only(findings, "error").startswith("Receiver: 127.0.0.1:")


def test_a_wrong_password_is_said() -> None:
    found = only(simulated(Quirks(accounts={"relais": "another"})), "error")
    assert "wrong password (ESME_RINVPASWD)" in found
    assert "secret" not in found


LONG = {"account": "relais-de-la-montagne", "password": "a longer password"}


def long_log_in(quirks: Quirks) -> list[Finding]:
    async def run() -> list[Finding]:
        async with Simulator(quirks) as smsc:
            given = settings(port=smsc.port, account=LONG["account"])
            return await check_connection(given, {"password": LONG["password"]})

    return asyncio.run(run())


def test_a_log_in_longer_than_the_standard_is_sent_whole() -> None:
    findings = long_log_in(Quirks(accounts={LONG["account"]: LONG["password"]}))
    assert {finding.level for finding in findings} == {"ok"}
    words = " ".join(texts(findings, "ok"))
    assert "The account has 21 characters, where the standard allows 15: this provider takes it." in words
    assert "The password has 17 characters, where the standard allows 8: this provider takes it." in words


def test_a_log_in_longer_than_the_standard_that_is_refused_is_warned_of() -> None:
    findings = long_log_in(Quirks(accounts={LONG["account"]: "another"}))
    assert "wrong password" in only(findings, "error")
    account, password = texts(findings, "warning")
    assert "not every provider takes that" in account
    assert password.startswith("The password has 17 characters, where the standard allows 8")
    assert LONG["password"] not in " ".join(finding.text for finding in findings)


def test_an_unknown_account_is_said() -> None:
    assert "does not know the account relais" in only(simulated(Quirks(accounts={"north": "x"})), "error")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("ESME_RALYBND", "is logged in already"),
        ("ESME_RBINDFAIL", "does not say why"),
        ("ESME_RINVSYSTYP", "'System type'"),
        ("ESME_RSYSERR", "internal error"),
        ("ESME_RTHROTTLED", "log-ins come faster"),
        ("ESME_RINVCMDID", "Set 'Connection mode' to transmitter_receiver"),
        (0x0455, "the provider's own error 0x00000455"),
    ],
)
def test_a_refused_log_in_is_said_in_words(status: str | int, words: str) -> None:
    findings = simulated(Quirks(bind_refusals=9, bind_refusal_status=status))
    assert words in only(findings, "error")
    assert "The test message" not in only(findings, "error")


def test_a_log_in_that_nobody_answers_is_said() -> None:
    assert "was not answered within 1 s" in only(against(says_nothing, bind_timeout_s=1), "error")


def test_a_log_in_answered_by_closing_is_said() -> None:
    found = only(against(says(b"")), "error")
    assert found.startswith("The provider closed the connection without answering the log-in.")
    assert "IP address" in found


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "a web server"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "an SSH server"),
        (b"\x15\x03\x03\x00\x02\x02\x46", "Switch 'TLS' on"),
        (b"\xff" * 64, "does not speak SMPP"),
        (b"\0\0\0\x08\0\0", "does not speak SMPP"),
    ],
    ids=["web", "ssh", "tls", "noise", "cut"],
)
def test_a_peer_that_is_no_smsc_is_told_by_what_it_says(octets: bytes, words: str) -> None:
    assert words in only(against(says(octets)), "error")


def test_an_older_version_of_the_protocol_is_warned_of() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        smsc = Smsc(reader, writer)
        smsc.tlvs = (Tlv(Tag.SC_INTERFACE_VERSION, b"\x33"),)
        await smsc.run()

    assert "speaks SMPP 3.3" in only(against(handle), "warning")


def test_a_provider_that_logs_us_out_at_once_is_said() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        smsc = Smsc(reader, writer)
        smsc.on_bound = lambda: smsc.session.unbind(0)
        await smsc.run()

    assert "logged us out (unbind)" in only(against(handle), "error")


def test_a_provider_that_sends_nonsense_after_the_log_in_is_said() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        smsc = Smsc(reader, writer)
        smsc.on_bound = lambda: smsc.more.append(b"\xff" * 32)
        await smsc.run()

    assert "octets that are not SMPP" in only(against(handle), "error")


@given(octets=st.binary(max_size=200), is_bound=st.booleans())
@limits(max_examples=60, deadline=None)
def test_whatever_a_peer_sends_the_check_ends_with_an_error(octets: bytes, is_bound: bool) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        bound = encode(Pdu(CommandId.BIND_TRANSCEIVER_RESP, 0, 1, {"system_id": b"\x1b[2J"}))
        writer.write((bound if is_bound else b"") + octets)
        await writer.drain()

    findings = against(handle)
    assert texts(findings, "error")
    assert all(finding.text.isprintable() for finding in findings)


def test_a_provider_that_asks_a_transmitter_to_receive_is_said() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(Pdu(CommandId.OUTBIND, 0, 1, {"system_id": b"smsc", "password": b"x"})))
        await says_nothing(reader, writer)

    findings = against(handle, mode="transmitter_receiver", bind_timeout_s=1)
    assert all(finding.text.startswith(("Transmitter: ", "Receiver: ")) for finding in findings)
    assert texts(findings, "error")


def test_pdus_that_cannot_be_read_are_counted() -> None:
    findings = simulated(quirks_of(garbage_every=1, garbage=Garbage.MALFORMED), "+33612345678")
    assert "1 of the provider's PDUs could not be read" in " ".join(texts(findings, "warning"))


def test_an_address_of_which_only_one_family_answers_is_connected_to() -> None:
    assert not texts(simulated(Quirks(), host="localhost"), "error")


# -- TLS ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Finding]]:
    """What is found where the provider shows a certificate of an authority that this machine trusts, or does not."""

    def run(name: str = "127.0.0.1", *, is_trusted: bool = True, is_signed: bool = True, **given: Any) -> list[Finding]:
        authority = issue("Authority", is_authority=True)
        days = given.pop("days", 365)
        certificate, key = issue(name, by=authority if is_signed else None, days=days).write(tmp_path, "server")
        root, _ = (authority if is_trusted else issue("Another", is_authority=True)).write(tmp_path, "root")
        monkeypatch.setenv("SSL_CERT_FILE", root)
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
        return simulated(Quirks(tls_certificate=certificate, tls_key=key), tls=True, **given)

    return run


def test_a_good_certificate_says_how_long_it_lasts(shown: Callable[..., list[Finding]]) -> None:
    findings = shown()
    assert {finding.level for finding in findings} == {"ok"}
    assert "TLS 1.3, certificate of 127.0.0.1, good for 365 more days." in texts(findings, "ok")


def test_a_certificate_that_ends_soon_is_warned_of(shown: Callable[..., list[Finding]]) -> None:
    assert "expires in 9 days" in only(shown(days=9), "warning")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"days": -1}, "has expired"),
        ({"name": "smsc.example.org"}, "is for another name than 127.0.0.1"),
        ({"is_signed": False}, "is self-signed"),
        ({"is_trusted": False}, "an authority that this machine does not trust"),
    ],
)
def test_a_certificate_that_cannot_be_trusted_is_said(
    shown: Callable[..., list[Finding]], given: dict[str, Any], words: str
) -> None:
    found = only(shown(**given), "error")
    assert found.startswith("TLS refused: the provider's certificate")
    assert words in found


def test_a_host_name_that_is_not_verified_is_warned_of(shown: Callable[..., list[Finding]]) -> None:
    findings = shown("smsc.example.org", certificate_verification="no_host_name")
    assert "host name is not verified" in only(findings, "warning")


def test_a_certificate_that_is_not_verified_is_warned_of(shown: Callable[..., list[Finding]]) -> None:
    findings = shown(is_signed=False, days=-3, certificate_verification="none")
    first, second = texts(findings, "warning")
    assert "is not verified" in first
    assert "expired on" in second
    assert not texts(findings, "error")


def test_tls_where_nobody_speaks_it_is_said() -> None:
    assert only(simulated(Quirks(), tls=True), "error").startswith("TLS refused")
    assert "does not speak TLS" in only(against(says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), tls=True), "error")


def test_a_peer_that_says_nothing_to_a_handshake_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECT_S", 0.2)
    assert "was not finished within 0.2 s" in only(against(says_nothing, tls=True), "error")


def test_a_peer_of_an_old_tls_is_said() -> None:
    error = ssl.SSLError(1, "[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version")
    error.reason = "TLSV1_ALERT_PROTOCOL_VERSION"
    endpoint = endpoints(SPEC.parse(settings(tls=True)))[0]
    assert "versions before 1.2" in tls_words(error, endpoint, 10)


# -- signs of life and the window ------------------------------------------------------------------------------------


def test_enquire_link_without_an_answer_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PING_S", 0.1)
    found = only(simulated(Quirks(answers_enquire_link=False)), "warning")
    assert "enquire_link was not answered" in found
    assert "every 60 s" in found


def test_a_window_too_small_for_the_latency_is_warned_of() -> None:
    findings = simulated(quirks_of(latency_ms=200), "+33612345678", max_mt_per_s=300, window=10)
    found = only(findings, "warning")
    assert found.startswith("The window of 10 is too small for the measured latency of ")
    assert int(found.partition("Set 'Sending window' to ")[2].split()[0]) >= 60


def test_a_window_large_enough_is_said_to_be() -> None:
    findings = simulated(Quirks(), max_mt_per_s=10, window=10)
    assert any(
        text.startswith("The window of 10 is large enough for 10 messages a second") for text in texts(findings, "ok")
    )


def test_without_a_limit_the_window_says_what_it_lets_through() -> None:
    findings = simulated(Quirks(), window=10, child_connections=3)
    found = next(text for text in texts(findings, "ok") if "no maximum throughput is set" in text)
    assert "3 times that on the 3 connections" in found


# -- the test message ------------------------------------------------------------------------------------------------


def test_a_test_message_and_its_receipt_are_explained() -> None:
    findings = simulated(quirks_of(receipt_delay_ms=50, id_start=4242), "+33612345678", "Hello")
    assert {finding.level for finding in findings} == {"ok"}
    words = " ".join(texts(findings, "ok"))
    assert "Its id: 4242" in words
    assert "its id matches, and DELIVRD, code 000 means delivered." in words
    assert "Hello" not in words


def test_a_receipt_before_the_acknowledgement_is_matched_all_the_same() -> None:
    findings = simulated(quirks_of(receipt_delay_ms=0, early_fraction=1.0, early_by_ms=150), "+33612345678")
    assert {finding.level for finding in findings} == {"ok"}


def test_a_receipt_on_the_receiver_is_matched() -> None:
    findings = simulated(quirks_of(), "+33612345678", mode="transmitter_receiver")
    assert {finding.level for finding in findings} == {"ok"}


def test_a_long_test_message_goes_out_through_a_window_of_one() -> None:
    findings = simulated(quirks_of(), "+33612345678", "Long " * 100, window=1)
    assert "in 4 segments" in " ".join(texts(findings, "ok"))
    assert not texts(findings, "error")


def test_ids_in_two_formats_name_the_settings_that_bring_them_together() -> None:
    quirks = quirks_of(id_format=IdFormat.HEX, receipt_id_format=IdFormat.DECIMAL, id_start=987654)
    found = only(simulated(quirks, "+33612345678"), "error")
    assert "'Id format in the acknowledgement' to hexadecimal" in found
    formats = {"id_format_in_acknowledgement": "hexadecimal", "id_format_in_receipt": "decimal"}
    assert not texts(simulated(quirks, "+33612345678", **formats), "error")


def test_a_pattern_that_cuts_the_id_short_is_found_out() -> None:
    quirks = quirks_of(id_width=20, id_start=1)
    assert "only the first 10 characters of the id, which has 20" in only(simulated(quirks, "+33612345678"), "error")


@pytest.mark.parametrize(
    ("acknowledged", "received", "formats"),
    [
        (IdFormat.HEX, IdFormat.DECIMAL, ("hexadecimal", "as_is")),
        (IdFormat.DECIMAL, IdFormat.HEX, ("as_is", "hexadecimal")),
    ],
)
def test_an_id_in_two_formats_that_the_pattern_cuts_short_names_formats_and_pattern(
    acknowledged: IdFormat, received: IdFormat, formats: tuple[str, str]
) -> None:
    quirks = quirks_of(id_format=acknowledged, receipt_id_format=received, id_start=0x6B02459E00001A)
    found = only(simulated(quirks, "+33612345678"), "error")
    assert "finds only the first 10 of its 1" in found
    assert f"'Id format in the acknowledgement' to {formats[0]} and 'Id format in the receipt' to {formats[1]}" in found
    proposed = found.partition("such as to ")[2].removesuffix(".")
    assert proposed == r"(?i)\bid:([0-9a-z]{1,20})\b"
    names = ("id_format_in_acknowledgement", "id_format_in_receipt")
    changed = dict(zip(names, formats, strict=True)) | {"receipt_id_pattern": proposed}
    assert not texts(simulated(quirks, "+33612345678", **changed), "error")


def test_an_id_in_two_formats_that_the_pattern_does_not_find_names_both() -> None:
    quirks = quirks_of(id_format=IdFormat.HEX, receipt_id_format=IdFormat.DECIMAL, id_start=0x6B02459E00001A)
    found = only(simulated(quirks, "+33612345678", receipt_id_pattern=r"number:(\d+)"), "error")
    assert "'Extraction of the id from the receipt' does not find it" in found
    assert "'Id format in the acknowledgement' to hexadecimal" in found


def test_an_id_in_an_optional_field_alone_is_found_out() -> None:
    quirks = quirks_of(receipt_dialect="tlv_only", receipt_tlvs=True, id_start=987654)
    assert "optional field 0x001E" in only(simulated(quirks, "+33612345678"), "error")


def test_an_id_that_the_pattern_misses_is_found_out() -> None:
    quirks = quirks_of(id_start=987654)
    found = only(simulated(quirks, "+33612345678", receipt_id_pattern=r"number:(\d+)"), "error")
    assert "does not find it" in found
    assert "It sees: id:987654" in found


def test_a_status_that_the_pattern_misses_is_found_out() -> None:
    quirks = quirks_of()
    found = only(simulated(quirks, "+33612345678", receipt_status_pattern=r"state:(\w+)"), "error")
    assert "finds no status" in found


def test_a_status_of_no_known_meaning_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "RECEIPT_S", 0.5)
    found = only(simulated(quirks_of(), "+33612345678", success_pattern="^OK$"), "warning")
    assert "DELIVRD is matched neither by 'Pattern of success'" in found


def test_an_id_that_is_not_in_its_format_is_warned_of() -> None:
    quirks = quirks_of(id_format=IdFormat.HEX, id_start=0xABCDEF)
    findings = simulated(quirks, "+33612345678", id_format_in_acknowledgement="decimal")
    assert "is not written as 'Id format in the acknowledgement' says (decimal)" in only(findings, "warning")


def test_a_phone_that_is_not_reached_is_a_warning() -> None:
    quirks = quirks_of(failures=(Failure("UNDELIV", "001", 1.0),))
    assert "UNDELIV, code 001 means that the message did not reach" in only(
        simulated(quirks, "+33612345678"), "warning"
    )


def test_a_receipt_that_does_not_come_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "RECEIPT_S", 0.2)
    found = only(simulated(quirks_of(receipts=ReceiptsFor.NONE), "+33612345678"), "warning")
    assert found.startswith("No receipt came within 0.2 s. It may come later, or have gone to another link")


def test_a_refused_test_message_is_said() -> None:
    findings = simulated(quirks_of(refusals=(Refusal("78$", "ESME_RINVDSTADR"),)), "+33612345678")
    assert (
        only(findings, "error") == "The provider refused the test message: the number is not valid (ESME_RINVDSTADR)."
    )


def test_a_test_message_put_off_is_said() -> None:
    findings = simulated(quirks_of(throttled_fraction=1.0), "+33612345678")
    assert only(findings, "error").startswith("The provider did not take the test message now: messages come faster")


def test_a_test_message_without_an_answer_is_said() -> None:
    findings = simulated(quirks_of(no_answer_fraction=1.0), "+33612345678", mt_expiry_s=1)
    assert "was not answered within 1 s" in only(findings, "error")


def test_a_link_that_is_cut_by_the_test_message_is_said() -> None:
    errors = texts(simulated(quirks_of(drop_after_messages=1), "+33612345678"), "error")
    assert errors[0] == "The connection ended before the test message was answered."


def test_a_number_that_cannot_be_sent_to_is_said() -> None:
    assert "the number has no digits" in only(simulated(quirks_of(), "nobody"), "error")


@pytest.mark.parametrize("text", ["\ud800", "\0", "😀" * 200])
def test_odd_texts_do_no_harm(text: str) -> None:
    simulated(quirks_of(), "+33612345678", text)


def test_a_text_without_a_number_is_not_sent() -> None:
    assert "no number to send it to" in only(simulated(quirks_of(), None, "Hello"), "warning")


def test_a_test_message_that_no_connection_can_take_is_said() -> None:
    errors = texts(simulated(quirks_of(accounts={"north": "x"}), "+33612345678"), "error")
    assert errors[-1] == "The test message was not sent: there is no connection to send it on."


# -- what else is delivered ------------------------------------------------------------------------------------------


def test_texts_from_phones_are_put_off_so_that_the_engine_gets_them() -> None:
    async def run() -> list[Finding]:
        quirks = quirks_of(inbound=(Inbound("STOP", after_s=0.0),), redelivery_pause_ms=60_000)
        async with Simulator(quirks) as smsc:
            findings = await checked(smsc.port, "+33612345678")
            assert smsc.held == 1
            return findings

    findings = asyncio.run(run())
    assert "1 text not of this test; put off" in " ".join(texts(findings, "ok"))


class Smsc:
    """A small SMSC that does what a test says: answers submits with `id`, and delivers what it is given."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.session = Session(Role.SMSC, window=10)
        self.tlvs: tuple[Tlv, ...] = ()
        self.more: list[bytes] = []
        self.on_bound: Callable[[], object] = lambda: None
        self.message_id = b"4711"
        self.answers: list[int] = []
        self.after_submit: list[bytes] = []
        self._reader, self._writer = reader, writer

    async def run(self) -> None:
        while data := await self._reader.read(4096):
            for event in self.session.receive_data(data, 0):
                match event:
                    case BindRequested():
                        self.session.accept_bind(event, b"", self.tlvs, 0)
                        self.on_bound()
                    case Submits(numbers, _):
                        count = len(numbers)
                        self.session.answer_submits(numbers, [0] * count, [self.message_id] * count)
                        self.session.deliver(self.after_submit, self.after_submit, 0)
                    case DeliverResults(_, statuses):
                        self.answers += statuses
            self._writer.write(self.session.data_to_send() + b"".join(self.more))
            self.more.clear()
            await self._writer.drain()


def receipt(raw_id: str, source: bytes = b"33612345678") -> bytes:
    text = f"id:{raw_id} sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 stat:DELIVRD err:000 text:Hi"
    return DeliverTemplate().body(source, text.encode(), 0x04, 0)


def test_receipts_of_other_messages_are_put_off_and_the_own_one_is_taken() -> None:
    met: list[Smsc] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        smsc = Smsc(reader, writer)
        smsc.after_submit = [receipt("4710"), receipt("9", b"33600000000"), receipt("4711")]
        met.append(smsc)
        await smsc.run()

    findings = against(handle, number="+33612345678")
    assert "2 receipts not of this test; put off" in " ".join(texts(findings, "ok"))
    assert met[0].answers == [CommandStatus.ESME_RX_T_APPN, CommandStatus.ESME_RX_T_APPN, CommandStatus.ESME_ROK]


def test_a_provider_that_gives_no_id_is_warned_of() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        smsc = Smsc(reader, writer)
        smsc.message_id = b""
        await smsc.run()

    assert "gave it no id" in only(against(handle, number="+33612345678"), "warning")


def test_a_receipt_that_nothing_can_be_read_from_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "RECEIPT_S", 0.3)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        smsc = Smsc(reader, writer)
        smsc.after_submit = [DeliverTemplate().body(b"33612345678", b"message arrived, text:Hello", 0x04, 0)]
        await smsc.run()

    found = only(against(handle, number="+33612345678"), "error")
    assert "could not be read" in found
    assert "message arrived" in found
    assert "Hello" not in found


def test_every_pdu_can_be_watched_without_password_and_text() -> None:
    lines: list[tuple[str, str]] = []

    async def run() -> None:
        async with Simulator(quirks_of()) as smsc:
            await check_connection(
                settings(port=smsc.port),
                SECRETS,
                test_number="+33612345678",
                test_text="Hello",
                on_pdu=lambda direction, line: lines.append((direction, line)),
            )

    asyncio.run(run())
    words = [f"{direction} {line.split()[0]}" for direction, line in lines]
    for expected in (
        "out bind_transceiver",
        "in bind_transceiver_resp",
        "out submit_sm",
        "in deliver_sm",
        "out unbind",
    ):
        assert expected in words
    assert not any("secret" in line or "Hello" in line for _, line in lines)
