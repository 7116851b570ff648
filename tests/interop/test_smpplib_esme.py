"""The simulator against an ESME of another author: the PyPI package smpplib."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from bench.scene import wait_for
from smpplib import consts, gsm
from smpplib.client import Client
from smpplib.command import Command
from smpplib.exceptions import ConnectionError as SmpplibConnectionError
from smpplib.exceptions import PDUError

from chappe.gsm import Encoding, decode
from chappe.simulator import Quirks, SimulatorProcess
from chappe.smpp import CommandStatus, MessageState, parse_receipt

PHONE = "33612345678"
WAIT_S = 20
FRENCH = "Bonjour Marie, votre commande à 15 £ est là, venez la chercher à Évreux avant samedi soir. " * 3
RUSSIAN = "Здравствуйте, ваш заказ готов. " * 5


def simulator(**quirks: object) -> SimulatorProcess:
    values: dict[str, Any] = {"accounts": {"chappe": "s3cret"}, "receipt_delay_ms": 0.0, **quirks}
    return SimulatorProcess(Quirks(**values))


class Esme(Client):  # type: ignore[misc]
    """What comes in, kept."""

    def __init__(self, port: int, timeout: float = WAIT_S) -> None:
        super().__init__("127.0.0.1", port, timeout=timeout, allow_unknown_opt_params=True)
        self.answers: list[Command] = []
        self.deliveries: list[Command] = []
        self.errors: list[Command] = []
        self.set_message_sent_handler(lambda pdu: self.answers.append(pdu))
        self.set_message_received_handler(lambda pdu: self.deliveries.append(pdu))
        self.set_error_pdu_handler(self.errors.append)

    def until(self, condition: Callable[[], object]) -> None:
        """Read until it holds; TimeoutError when nothing comes any more."""
        while not condition():
            self.read_once(auto_send_enquire_link=False)

    def send(self, text: str, encoding: int = consts.SMPP_ENCODING_DEFAULT, **values: object) -> list[Command]:
        """Send a text in as many segments as it needs; the answers, in order."""
        parts, data_coding, esm_class = gsm.make_parts(text, encoding)
        before = len(self.answers)
        for part in parts:
            self.submit(short_message=part, data_coding=data_coding, esm_class=esm_class, **values)
        self.until(lambda: len(self.answers) == before + len(parts))
        return self.answers[before:]

    def submit(self, **values: object) -> Command:
        return self.send_message(
            source_addr_ton=consts.SMPP_TON_ALNUM,
            source_addr="ACME",
            dest_addr_ton=consts.SMPP_TON_INTL,
            dest_addr_npi=consts.SMPP_NPI_ISDN,
            destination_addr=PHONE,
            **values,
        )


@contextmanager
def connected(smsc: SimulatorProcess, **values: Any) -> Iterator[Esme]:
    client = Esme(smsc.port, **values)
    client.connect()
    try:
        yield client
    finally:
        client.state = consts.SMPP_CLIENT_STATE_OPEN  # else it warns of a link that is still bound
        client.disconnect()


@contextmanager
def bound(smsc: SimulatorProcess, kind: str = "transceiver", **values: Any) -> Iterator[Esme]:
    with connected(smsc, **values) as client:
        getattr(client, f"bind_{kind}")(system_id="chappe", password="s3cret")
        yield client


def octets(pdu: Command, name: str = "short_message") -> bytes:
    found = getattr(pdu, name)
    assert isinstance(found, bytes)
    return found


@pytest.mark.parametrize("kind", ["transceiver", "transmitter", "receiver"])
def test_every_kind_of_bind_is_taken_and_ended(kind: str) -> None:
    with simulator() as smsc:
        with connected(smsc) as client:
            answer = getattr(client, f"bind_{kind}")(system_id="chappe", password="s3cret", system_type="VMS")
            assert (answer.command, answer.system_id) == (f"bind_{kind}_resp", b"CHAPPE-SIM")
            [link] = smsc.stats().links
            assert (link.system_id, link.kind, link.is_open) == ("chappe", kind, True)
            assert client.unbind().command == "unbind_resp"
        wait_for(lambda: not smsc.stats().links[0].is_open, WAIT_S, "the end of the link")
        assert smsc.stats().malformed == 0


def test_a_wrong_password_is_refused() -> None:
    with simulator() as smsc, connected(smsc) as client:
        with pytest.raises(PDUError) as refusal:
            client.bind_transceiver(system_id="chappe", password="wrong")
        assert refusal.value.args[1] == CommandStatus.ESME_RINVPASWD


def test_a_message_is_taken_and_its_receipt_names_it() -> None:
    with simulator(receipt_tlvs=True) as smsc, bound(smsc) as client:
        [answer] = client.send("Bonjour [50 €]", registered_delivery=1)
        client.until(lambda: client.deliveries)
        [record] = smsc.get("/messages")
        assert (record["sender"], record["destination"], record["text"]) == ("ACME", PHONE, "Bonjour [50 €]")
        assert record["message_id"] == octets(answer, "message_id").decode()
        [receipt] = client.deliveries
        found = parse_receipt(octets(receipt))
        assert (found["id"], found["stat"], found["err"]) == (record["message_id"], "DELIVRD", "000")
        assert octets(receipt, "receipted_message_id") == octets(answer, "message_id")
        assert receipt.message_state == MessageState.DELIVERED
        assert receipt.esm_class == 4
        assert (receipt.source_addr, receipt.destination_addr) == (PHONE.encode(), b"ACME")
        wait_for(lambda: smsc.stats().receipts_acknowledged == 1, WAIT_S, "the answer to the receipt")


@pytest.mark.parametrize(
    ("text", "encoding", "size"),
    [
        (FRENCH, consts.SMPP_ENCODING_DEFAULT, 153),
        (FRENCH, consts.SMPP_ENCODING_ISO88591, 134),
        (RUSSIAN, consts.SMPP_ENCODING_ISO10646, 67),
    ],
    ids=["GSM", "Latin-1", "UCS-2"],
)
def test_long_texts_are_read_segment_by_segment(text: str, encoding: int, size: int) -> None:
    with simulator(receipts="none") as smsc, bound(smsc) as client:
        answers = client.send(text, encoding)
        assert len({octets(answer, "message_id") for answer in answers}) == len(answers)
        assert smsc.stats().segments == len(answers)
        records = smsc.get("/messages")[::-1]
        assert [record["text"] for record in records] == [text[at : at + size] for at in range(0, len(text), size)]


def test_an_escape_that_smpplib_cuts_in_two_is_read_as_it_came() -> None:
    """smpplib 2.2 cuts the octets of the GSM alphabet every 153 without looking, also between the escape and what it
    escapes (its source says so): the simulator shows what each segment says by itself, as a phone would."""
    with simulator(receipts="none") as smsc, bound(smsc) as client:
        client.send("x" * 152 + "€" + "y" * 10)
        last, first = smsc.get("/messages")
        assert first["text"][:152] == "x" * 152
        assert "€" not in first["text"] + last["text"]
        assert last["text"] == decode(b"e" + b"y" * 10, Encoding.GSM)


def test_a_text_in_a_payload_is_read() -> None:
    with simulator(receipts="none") as smsc, bound(smsc) as client:
        client.submit(short_message=None, message_payload=FRENCH.encode("latin-1"), data_coding=3)
        client.until(lambda: client.answers)
        assert smsc.get("/messages")[0]["text"] == FRENCH


def test_a_refused_message_has_the_status_of_the_refusal() -> None:
    with simulator(refusals=({"pattern": "678$", "status": "ESME_RINVDSTADR"},)) as smsc, bound(smsc) as client:
        client.submit(short_message=b"hello")
        client.until(lambda: client.errors)
        assert client.errors[0].status == CommandStatus.ESME_RINVDSTADR


def test_texts_from_phones_are_read() -> None:
    with simulator() as smsc, bound(smsc) as client:
        smsc.post("/inbound", text="STOP € à", sender=PHONE, recipient="38600")
        client.until(lambda: client.deliveries)
        [first] = client.deliveries
        assert (first.source_addr, first.destination_addr, first.esm_class) == (PHONE.encode(), b"38600", 0)
        assert decode(octets(first), Encoding.GSM) == "STOP € à"
        smsc.post("/inbound", text=RUSSIAN, encoding="ucs2", tlvs=[{"tag": 0x1403, "value": "534553"}])
        client.until(lambda: len(client.deliveries) == 4)
        parts = client.deliveries[1:]
        assert [(one.data_coding, one.esm_class, octets(one)[:3]) for one in parts] == [(8, 0x40, b"\5\0\3")] * 3
        assert [octets(one)[4:6] for one in parts] == [b"\3\1", b"\3\2", b"\3\3"]
        assert b"".join(octets(one)[6:] for one in parts).decode("utf-16-be") == RUSSIAN


def test_a_long_text_from_a_phone_in_parameters_is_read() -> None:
    with simulator() as smsc, bound(smsc) as client:
        smsc.post("/inbound", text=RUSSIAN, encoding="ucs2", segmentation="sar")
        client.until(lambda: len(client.deliveries) == 3)
        assert [one.sar_segment_seqnum for one in client.deliveries] == [1, 2, 3]
        assert {one.sar_total_segments for one in client.deliveries} == {3}
        smsc.post("/inbound", text=RUSSIAN, encoding="ucs2", segmentation="payload")
        client.until(lambda: len(client.deliveries) == 4)
        assert octets(client.deliveries[3], "message_payload").decode("utf-16-be") == RUSSIAN


def test_a_sign_of_life_is_given() -> None:
    with simulator() as smsc, bound(smsc, timeout=0.2) as client:
        client.read_once()  # nothing comes within the time-out: it asks
        client._socket.settimeout(WAIT_S)
        assert client.read_pdu().command == "enquire_link_resp"
        assert smsc.stats().malformed == 0


def test_a_sign_of_life_is_asked_for_and_taken() -> None:
    with simulator(enquire_link_s=0.2) as smsc, bound(smsc) as client:
        asked = []
        while len(asked) < 3:  # a link that does not answer twice is given up
            pdu = client.read_pdu()
            assert pdu.command == "enquire_link"
            client._enquire_link_received(pdu)
            asked.append(pdu.sequence)
        assert len(set(asked)) == 3
        assert smsc.stats().links[0].is_open


def test_a_link_that_the_simulator_unbinds_ends_all_the_same() -> None:
    """smpplib 2.2 takes an unbind and never answers it: the simulator gives up waiting."""
    with simulator(answer_timeout_ms=300.0) as smsc, bound(smsc) as client:
        assert smsc.post("/unbind") == {"links": 1}
        assert client.read_pdu().command == "unbind"
        with pytest.raises(SmpplibConnectionError):
            client.read_pdu()
        assert not smsc.stats().links[0].is_open


def test_a_request_that_the_simulator_does_not_do_is_refused() -> None:
    with simulator() as smsc, bound(smsc) as client:
        client.query_message(message_id="17", source_addr_ton=0, source_addr_npi=0, source_addr="ACME")
        assert client.read_pdu().status == CommandStatus.ESME_RINVCMDID
        client.submit(short_message=b"still here")
        client.until(lambda: client.answers)


def test_many_messages_at_once_are_each_answered_with_their_own_id() -> None:
    with simulator(receipts="none") as smsc, bound(smsc) as client:
        sent = [client.submit(short_message=b"number %d" % number).sequence for number in range(500)]
        client.until(lambda: len(client.answers) == 500)
        assert [answer.sequence for answer in client.answers] == sent
        assert len({answer.message_id for answer in client.answers}) == 500


def test_the_end_without_a_word_is_seen() -> None:
    with simulator() as smsc:
        with bound(smsc) as client:
            client._socket.shutdown(socket.SHUT_RDWR)
        wait_for(lambda: not smsc.stats().links[0].is_open, WAIT_S, "the end of the link")
