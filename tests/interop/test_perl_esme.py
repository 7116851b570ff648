"""The simulator against an ESME of another author: Perl's Net::SMPP."""

from collections.abc import Iterator

import pytest
from bench.scene import wait_for
from tests.interop.peer import FOLDER, WAIT_S, Event, Peer

from chappe.gsm import Encoding
from chappe.gsm import encode as encode_text
from chappe.simulator import Quirks, SimulatorProcess
from chappe.smpp import CommandStatus, MessageState, parse_receipt

pytestmark = pytest.mark.interop_perl

PHONE = "33612345678"
FIELDS = {
    "source_addr_ton": 5,
    "source_addr": "ACME",
    "dest_addr_ton": 1,
    "dest_addr_npi": 1,
    "destination_addr": PHONE,
}
ANY = {"accounts": {"chappe": "s3cret"}, "receipt_delay_ms": 0.0}


@pytest.fixture
def perl() -> Iterator[Peer]:
    with Peer(["perl", str(FOLDER / "perl" / "esme.pl")]) as peer:
        yield peer


def simulator(**quirks: object) -> SimulatorProcess:
    return SimulatorProcess(Quirks(**{**ANY, **quirks}))  # type: ignore[arg-type]


def bind(perl: Peer, smsc: SimulatorProcess, kind: str = "transceiver", password: str = "s3cret") -> Event:
    perl.order("bind", port=smsc.port, kind=kind, system_id="chappe", password=password)
    return perl.next("bind_resp")


def submit(perl: Peer, text: bytes, **fields: object) -> Event:
    perl.order("submit_sm", fields={**FIELDS, **fields}, short_message=text.hex())
    seq = perl.next("sent")["seq"]
    return perl.next("submit_sm_resp", lambda one: one["seq"] == seq)


@pytest.mark.parametrize("kind", ["transceiver", "transmitter", "receiver"])
def test_every_kind_of_bind_is_taken_and_ended(perl: Peer, kind: str) -> None:
    with simulator() as smsc:
        answer = bind(perl, smsc, kind)
        assert (answer["status"], answer["system_id"], answer["sc_interface_version"]) == (0, "CHAPPE-SIM", "34")
        assert smsc.stats().links[0].kind == kind
        perl.order("unbind")
        assert perl.next("unbind_resp")["status"] == 0
        perl.order("close")  # who unbinds closes
        perl.next("closed")
        wait_for(lambda: not any(link.is_open for link in smsc.stats().links), WAIT_S, "the end of the link")


def test_a_wrong_password_is_refused(perl: Peer) -> None:
    with simulator() as smsc:
        assert bind(perl, smsc, password="wrong")["status"] == CommandStatus.ESME_RINVPASWD
        assert smsc.stats().binds_refused == {"ESME_RINVPASWD": 1}


def test_a_message_is_taken_and_its_receipt_names_it(perl: Peer) -> None:
    with simulator(receipt_tlvs=True) as smsc:
        bind(perl, smsc)
        answer = submit(perl, b"Bonjour \0 tous", registered_delivery=1)
        receipt = perl.next("deliver_sm")
        assert answer["status"] == 0
        [record] = smsc.get("/messages")
        assert (record["sender"], record["destination"], record["text"]) == ("ACME", PHONE, "Bonjour @ tous")
        assert record["message_id"] == answer["message_id"]
        found = parse_receipt(bytes.fromhex(receipt["short_message"]))
        assert (found["id"], found["stat"], found["err"]) == (answer["message_id"], "DELIVRD", "000")
        assert bytes.fromhex(receipt["receipted_message_id"]) == answer["message_id"].encode() + b"\0"
        assert bytes.fromhex(receipt["message_state"]) == bytes((MessageState.DELIVERED,))
        assert (receipt["esm_class"], receipt["source_addr"], receipt["destination_addr"]) == (4, PHONE, "ACME")
        perl.order("enquire_link")  # whose answer comes after the receipt was acknowledged
        perl.next("enquire_link_resp")
        assert smsc.stats().receipts_acknowledged == 1


def test_a_message_that_asks_for_no_receipt_gets_none(perl: Peer) -> None:
    with simulator() as smsc:
        bind(perl, smsc)
        submit(perl, b"quiet")
        submit(perl, b"loud", registered_delivery=1)
        assert parse_receipt(bytes.fromhex(perl.next("deliver_sm")["short_message"]))["text"] == "loud"
        assert smsc.stats().receipts_sent == 1


def test_a_receiver_gets_the_receipts_of_its_transmitter(perl: Peer) -> None:
    with simulator() as smsc, Peer(["perl", str(FOLDER / "perl" / "esme.pl")]) as receiver:
        bind(receiver, smsc, "receiver")
        bind(perl, smsc, "transmitter")
        answer = submit(perl, b"hello", registered_delivery=1)
        receipt = parse_receipt(bytes.fromhex(receiver.next("deliver_sm")["short_message"]))
        assert receipt["id"] == answer["message_id"]


def test_segments_and_payloads_are_read(perl: Peer) -> None:
    with simulator(receipts="none") as smsc:
        bind(perl, smsc)
        for index, part in enumerate(("ваш ", "заказ"), 1):
            octets = bytes((5, 0, 3, 7, 2, index)) + encode_text(part, Encoding.UCS2)
            submit(perl, octets, esm_class=0x40, data_coding=8)
        perl.order(
            "submit_with_payload",
            fields={**FIELDS, "data_coding": 3},
            message_payload=("é" * 300).encode("latin-1").hex(),
        )
        assert perl.next("submit_sm_resp")["status"] == 0
        texts = [record["text"] for record in smsc.get("/messages")]
        assert texts == ["é" * 300, "заказ", "ваш "]
        assert smsc.stats().segments == 2


def test_a_refused_message_has_the_status_of_the_refusal(perl: Peer) -> None:
    with simulator(refusals=({"pattern": "678$", "status": "ESME_RINVDSTADR"},)) as smsc:
        bind(perl, smsc)
        answer = submit(perl, b"hello")
        assert (answer["status"], answer["message_id"]) == (CommandStatus.ESME_RINVDSTADR, "")


def test_texts_from_phones_are_read(perl: Peer) -> None:
    with simulator() as smsc:
        bind(perl, smsc)
        smsc.post("/inbound", text="STOP € à", sender=PHONE, recipient="38600")
        found = perl.next("deliver_sm")
        assert (found["source_addr"], found["destination_addr"], found["esm_class"]) == (PHONE, "38600", 0)
        assert bytes.fromhex(found["short_message"]) == encode_text("STOP € à", Encoding.GSM)
        smsc.post("/inbound", text="Где мой заказ? " * 8, encoding="ucs2", segmentation="sar")
        parts = [perl.next("deliver_sm") for _ in range(2)]
        assert [(one["sar_total_segments"], one["sar_segment_seqnum"]) for one in parts] == [("02", "01"), ("02", "02")]
        text = b"".join(bytes.fromhex(one["short_message"]) for one in parts).decode("utf-16-be")
        assert text == "Где мой заказ? " * 8
        assert {one["data_coding"] for one in parts} == {8}


def test_signs_of_life_are_asked_and_given_both_ways(perl: Peer) -> None:
    with simulator(enquire_link_s=0.2) as smsc:
        bind(perl, smsc)
        perl.order("enquire_link")
        assert perl.next("enquire_link_resp")["status"] == 0
        for _ in range(3):  # a link that does not answer twice is given up
            perl.next("enquire_link")
        assert smsc.stats().links[0].is_open


def test_a_link_that_the_simulator_unbinds_ends_in_order(perl: Peer) -> None:
    with simulator() as smsc:
        bind(perl, smsc)
        assert smsc.post("/unbind") == {"links": 1}
        perl.next("unbind")
        perl.next("closed")
        assert smsc.stats().links_dropped == 0


def test_a_request_that_the_simulator_does_not_do_is_refused(perl: Peer) -> None:
    with simulator() as smsc:
        bind(perl, smsc)
        perl.order("query_sm", message_id="17")
        assert perl.next("query_sm_resp")["status"] == CommandStatus.ESME_RINVCMDID
        assert submit(perl, b"still here")["status"] == 0
