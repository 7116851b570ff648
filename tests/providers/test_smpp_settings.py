"""Each setting of an SMPP connection, and what it changes: octets sent, octets read, or a decision elsewhere."""

import ipaddress
from pathlib import Path
from typing import Any

import pytest

from chappe.messaging import ConfigError, MessageOptions, OutboundMessage, Receipt, ReceiptKind, Refused
from chappe.providers.contract import Settings
from chappe.providers.smpp import SPEC, Dialect, endpoint, total_connections, total_tcp_connections
from chappe.providers.smpp_settings import allowed_networks, parse_tag, recommended_window, total_mt_per_s
from chappe.rules.error import outcome_text
from chappe.rules.keyword import KeywordAction, find_reply, rows
from chappe.rules.provider_id import IdFormat, read_id
from chappe.rules.receipt import ReceiptRules
from chappe.rules.throttle import Throttle
from chappe.smpp import BindKind, Delivery, Pdu, Submission, Tag, decode, read_submit
from chappe.smpp.session import Role, Session
from chappe.smpp.tlv import Tlv

NEEDED = {"host": "smsc.example", "account": "account"}


def settings_with(**values: Any) -> Settings:
    return SPEC.parse({**NEEDED, **values})


def bound(kind: BindKind = BindKind.TRANSCEIVER, **values: Any) -> Pdu:
    """The bind that goes out."""
    session = Session(role=Role.ESME)
    session.bind(*Dialect(settings_with(**values)).bind(kind), now=0.0)
    return decode(session.data_to_send())


def message(body: str = "Hello", **values: Any) -> OutboundMessage:
    fields: dict[str, Any] = {"sender": "", "recipient": "+33 6 12-34#", "category": 0, "attempt": 1, "tries": 0}
    fields |= {"id": 1, "body": body, "expires_ms": 0, "delivery_id": 0, "organisation_id": 1}
    return OutboundMessage(**(fields | values))


def submitted(sent: OutboundMessage | None = None, **values: Any) -> list[Submission]:
    """The submit_sm that go out for a message, as the provider reads them."""
    segments = Dialect(settings_with(**values)).segments(sent or message())
    assert not isinstance(segments, Refused), segments
    return [read_submit(body) for _, body in segments]


def receipt(text: bytes, tlvs: tuple[tuple[int, bytes], ...] = (), **values: Any) -> Receipt | None:
    return ReceiptRules.of(settings_with(**values)).read(text, tlvs)


def inbound(tag: int, value: bytes, **values: Any) -> tuple[str, str, str]:
    delivery = Delivery(1, 5, b"", 1, 1, b"33612345678", 0, 0, b"36000", 0, 0, 0, 0, b"Hi", (Tlv(tag, value),))
    part = Dialect(settings_with(**values)).read_inbound(delivery)
    return part.linked_sms, part.alias, part.large_account


# -- connection ------------------------------------------------------------------------------------------------------


def test_implementation_name_opens_outcome_texts() -> None:
    name = settings_with(implementation_name="Acme").text("implementation_name")
    assert outcome_text(name, "UNDELIV", "001") == "SR Acme UNDELIV 001|#MESSAGE#"
    assert settings_with().text("implementation_name") == "Generic"


def test_host_and_port_are_where_links_go() -> None:
    assert endpoint(settings_with(host="10.1.2.3", port=2776))[:2] == ("10.1.2.3", 2776)


def test_account_is_the_system_id_of_the_bind() -> None:
    assert bound(account="chappe").fields["system_id"] == b"chappe"


def test_password_is_that_of_the_bind() -> None:
    assert bound(password="s3cret").fields["password"] == b"s3cret"
    assert "password" in SPEC.secrets


def test_system_type_is_that_of_the_bind() -> None:
    assert bound(system_type="VMA").fields["system_type"] == b"VMA"
    assert bound().fields["system_type"] == b""


def test_connections_are_the_product_of_three_settings() -> None:
    settings = settings_with(child_connections=3, sending_threads=2, processes=4)
    assert total_connections(settings) == 24
    assert total_connections(settings_with()) == 1


def test_dedicated_process_cannot_be_switched_off() -> None:
    with pytest.raises(ConfigError, match="dedicated_process: must stay on"):
        settings_with(dedicated_process=False)


def test_mode_doubles_tcp_connections_where_pairs_are_made() -> None:
    assert total_tcp_connections(settings_with(child_connections=3)) == 3
    assert total_tcp_connections(settings_with(child_connections=3, mode="transmitter_receiver")) == 6


RECEIVER = {
    "mode": "transmitter_receiver",
    "password": "tx",
    "receiver_differs": True,
    "receiver_host": "rx.example",
    "receiver_port": 3000,
    "receiver_account": "reader",
    "receiver_password": "rx",
    "receiver_system_type": "RX",
}


def test_receiver_has_parameters_of_its_own_where_it_differs() -> None:
    fields = bound(BindKind.RECEIVER, **RECEIVER).fields
    assert (fields["system_id"], fields["password"], fields["system_type"]) == (b"reader", b"rx", b"RX")
    assert endpoint(settings_with(**RECEIVER), receiver=True)[:2] == ("rx.example", 3000)
    assert bound(BindKind.TRANSMITTER, **RECEIVER).fields["password"] == b"tx"


def test_receiver_has_the_transmitters_parameters_where_it_does_not_differ() -> None:
    same = RECEIVER | {"receiver_differs": False}
    assert bound(BindKind.RECEIVER, **same).fields["system_id"] == b"account"
    in_one = RECEIVER | {"mode": "transceiver"}
    assert endpoint(settings_with(**in_one), receiver=True).host == "smsc.example"


def test_receiver_that_differs_needs_a_host_and_an_account() -> None:
    with pytest.raises(ConfigError) as caught:
        settings_with(mode="transmitter_receiver", receiver_differs=True)
    assert [error.field for error in caught.value.errors] == ["receiver_host", "receiver_account"]


# -- channel ---------------------------------------------------------------------------------------------------------


def test_transliterate_keeps_texts_in_the_cheaper_encoding() -> None:
    (kept,) = submitted(message("Fête"))
    assert (kept.data_coding, kept.short_message) == (8, "Fête".encode("utf-16-be"))
    (replaced,) = submitted(message("Fête"), transliterate=True)
    assert (replaced.data_coding, replaced.short_message) == (0, b"Fete")


def test_transliterate_leaves_what_has_no_equivalent_to_the_next_encoding() -> None:
    (sent,) = submitted(message("Fête 漢"), transliterate=True)
    assert (sent.data_coding, sent.short_message) == (8, "Fête 漢".encode("utf-16-be"))


def test_source_number_is_the_sender_where_the_message_names_none() -> None:
    assert submitted(source_number="36000")[0].source == b"36000"
    assert submitted(message(sender="ACME"), source_number="36000")[0].source == b"ACME"
    assert submitted()[0].source == b""


def test_ton_and_npi_are_sent_as_they_are_set() -> None:
    (sent,) = submitted(source_ton=5, source_npi=9, destination_ton=2, destination_npi=8)
    assert (sent.source_addr_ton, sent.source_addr_npi, sent.dest_addr_ton, sent.dest_addr_npi) == (5, 9, 2, 8)


def test_service_type_is_sent_as_it_is_set() -> None:
    assert submitted(service_type="CMT")[0].service_type == b"CMT"


def test_short_code_is_not_sent() -> None:
    assert submitted(short_code="36000") == submitted()
    assert settings_with(short_code="36000").text("short_code") == "36000"


# -- throughput ------------------------------------------------------------------------------------------------------


def test_window_is_how_many_submits_wait_for_their_answer() -> None:
    session = Session(role=Role.ESME, window=settings_with(window=30).integer("window"))
    assert session.room <= 30
    assert recommended_window(300, 0.1) == 30


def test_max_mt_per_s_is_of_each_connection() -> None:
    settings = settings_with(max_mt_per_s=2, child_connections=3)
    throttle = Throttle(settings.number("max_mt_per_s"))
    assert sum(throttle.take(step / 1000, 100) for step in range(1000)) == 2
    assert total_mt_per_s(settings) == 6


@pytest.mark.parametrize(
    ("name", "default", "refused"),
    [
        ("reconnect_s", 10, 0),
        ("mt_expiry_s", 60, 0),
        ("bind_timeout_s", 30, 0),
        ("enquire_link_s", 60, 0),
        ("early_receipt_wait_s", 30, -1),
        ("retry_delay_s", 60, 0),
    ],
)
def test_durations_are_seconds(name: str, default: float, refused: float) -> None:
    assert settings_with().number(name) == default
    assert settings_with(**{name: "2.5"}).number(name) == 2.5
    with pytest.raises(ConfigError, match=name):
        settings_with(**{name: refused})


# -- encodings -------------------------------------------------------------------------------------------------------


def test_encodings_are_tried_from_top_to_bottom() -> None:
    table = [{"data_coding": 0, "encoding": "gsm"}, {"data_coding": 3, "encoding": "latin1"}]
    table += [{"data_coding": 24, "encoding": "ucs2"}]
    found = [submitted(message(body), encodings=table)[0] for body in ("é", "ê", "漢")]
    assert [(sent.data_coding, sent.short_message) for sent in found] == [
        (0, b"\x05"),
        (3, b"\xea"),
        (24, b"\x6f\x22"),
    ]


def test_single_encoding_is_forced() -> None:
    table = [{"data_coding": 8, "encoding": "ucs2"}]
    assert submitted(message("abc"), encodings=table)[0].short_message == "abc".encode("utf-16-be")
    refused = Dialect(settings_with(encodings=[{"data_coding": 0, "encoding": "gsm"}])).segments(message("漢"))
    assert isinstance(refused, Refused)


# -- the provider's ways ---------------------------------------------------------------------------------------------


def test_message_payload_carries_a_long_text_in_one() -> None:
    body = "x" * 400
    (sent,) = submitted(message(body, options=MessageOptions(maximum_segments=1)), message_payload=True)
    assert sent.tlv(Tag.MESSAGE_PAYLOAD) == body.encode()
    assert (sent.esm_class, sent.registered_delivery, sent.data_coding) == (0, 1, 0)
    assert len(submitted(message(body))) == 3
    (short,) = submitted(message("short"), message_payload=True)
    assert (short.short_message, short.tlvs) == (b"short", ())


def test_full_phone_number_is_sent_as_it_is() -> None:
    assert submitted(full_phone_number=True)[0].destination == b"+33 6 12-34#"
    assert submitted()[0].destination == b"3361234"


def test_bind_ton_npi_and_address_range_are_those_of_the_bind() -> None:
    fields = bound(bind_ton=1, bind_npi=2, address_range="^36000$").fields
    assert (fields["addr_ton"], fields["addr_npi"], fields["address_range"]) == (1, 2, b"^36000$")


def test_service_id_tag_adds_the_deliverys_service_id() -> None:
    sent = message(options=MessageOptions(service_id="été"))
    assert submitted(sent, service_id_tag="0x1403")[0].tlvs == (Tlv(0x1403, "été".encode()),)
    assert submitted(sent)[0].tlvs == ()
    with pytest.raises(ConfigError, match="service_id_tag: expected a tag in hexadecimal"):
        settings_with(service_id_tag="5123")


# -- receipts --------------------------------------------------------------------------------------------------------


def test_receipt_patterns_are_the_connections() -> None:
    patterns: dict[str, Any] = {
        "receipt_id_pattern": r"\bref=(\d+)",
        "receipt_status_pattern": r"\bs=(\w+)",
        "success_pattern": "^OK$",
        "error_pattern": "^KO$",
        "error_code_pattern": r"\bwhy=(\w+)",
    }
    assert receipt(b"ref=12 s=OK why=none", **patterns) == Receipt("12", ReceiptKind.SUCCESS, "OK", "none")
    assert receipt(b"ref=12 s=KO why=none", **patterns) == Receipt("12", ReceiptKind.ERROR, "KO", "none")
    assert receipt(b"ref=12 s=MAYBE", **patterns) == Receipt("12", ReceiptKind.INTERMEDIATE, "MAYBE", "")
    assert receipt(b"id:12 stat:DELIVRD", **patterns) is None


def test_id_formats_make_acknowledgement_and_receipt_meet() -> None:
    settings = settings_with(id_format_in_acknowledgement="hexadecimal", id_format_in_receipt="decimal")
    acknowledged = read_id("0BADCAFE", IdFormat(settings["id_format_in_acknowledgement"]))
    found = ReceiptRules.of(settings).read("id:0195939070 stat:DELIVRD err:000")
    assert found is not None
    assert acknowledged == (found.provider_message_id, True)


def test_optional_fields_in_receipt_are_seen_by_the_patterns() -> None:
    values = {"receipt_id_pattern": r"\b0x001E:(\w+)"}
    tlvs = ((0x001E, b"abc\0"),)
    assert receipt(b"stat:DELIVRD", tlvs, **values) is None
    found = receipt(b"stat:DELIVRD", tlvs, optional_fields_in_receipt=True, **values)
    assert found == Receipt("abc", ReceiptKind.SUCCESS, "DELIVRD", "")


def test_text_field_in_receipt_is_seen_by_the_patterns() -> None:
    assert receipt(b"stat:DELIVRD text:id:12") is None
    assert receipt(b"stat:DELIVRD text:id:12", text_field_in_receipt=True) is not None


# -- incoming --------------------------------------------------------------------------------------------------------


def test_incoming_tags_fill_their_fields() -> None:
    assert inbound(0x1403, b"42\0", linked_sms_tag="0x1403") == ("42", "", "36000")
    assert inbound(5123, b"\xff\xfe", alias_tag="5123", alias_format="binary") == ("", "-2", "36000")
    assert inbound(0x1403, b"\0\xe9", large_account_tag="0x1403", large_account_format="ucs2") == ("", "", "é")
    assert inbound(0x1403, b"", large_account_tag="0x1403", linked_sms_format="utf8") == ("", "", "36000")


@pytest.mark.parametrize("tag", ["x", "0x", "0x10000", "65536", "-1", "1.5", "0x12345", "١٢"])
def test_tag_is_decimal_or_hexadecimal_up_to_65535(tag: str) -> None:
    with pytest.raises(ConfigError, match="alias_tag: expected a tag from 0 to 65535"):
        settings_with(alias_tag=tag)
    assert [parse_tag(text) for text in ("0", "65535", "0xffff", " 0X0a ")] == [0, 65535, 65535, 10]


def test_automatic_replies_answer_by_their_first_matching_row() -> None:
    table = [{"keyword": "STOP", "reply": "Bye", "action": "send_to_quarantine"}, {"reply": "Pardon?"}]
    replies = rows(settings_with(automatic_replies=table).rows("automatic_replies"))
    found = find_reply(replies, "stop!", "36000")
    assert found is not None
    assert (found.reply, found.action) == ("Bye", KeywordAction.SEND_TO_QUARANTINE)
    with pytest.raises(ConfigError, match=r"automatic_replies\[0\].keyword: expected one word"):
        settings_with(automatic_replies=[{"keyword": "NO MORE"}])


# -- security and policy ---------------------------------------------------------------------------------------------


def test_certificates_are_verified_unless_said_otherwise() -> None:
    assert settings_with(tls=True).text("certificate_verification") == "full"
    choices = [choice.value for choice in SPEC.setting("certificate_verification").choices]
    assert choices == ["full", "no_host_name", "none"]


def test_allowed_networks_are_networks_and_host_names() -> None:
    networks, hosts = allowed_networks("10.1.0.0/16, ::1 smsc.Internal;127.0.0.1")
    assert networks == [ipaddress.ip_network(text) for text in ("10.1.0.0/16", "::1/128", "127.0.0.1/32")]
    assert hosts == ["smsc.internal"]
    for text in ("10.0.0.0/99", "300.1.1.1", "http://x"):
        with pytest.raises(ConfigError, match="allowed_networks: expected networks"):
            settings_with(allowed_networks=text)


@pytest.mark.parametrize(
    ("name", "default", "other"),
    [
        ("unknown_outcome", "resend", "hold"),
        ("retry_limit", 20, 0),
        ("default_error_kind", "soft", "hard"),
        ("transactional_despite_stop", False, True),
        ("invalid_id_acknowledge_count", 0, 2),
        ("verbose_traces", False, True),
    ],
)
def test_policies_have_a_default_and_may_be_changed(name: str, default: object, other: object) -> None:
    assert settings_with()[name] == default
    assert settings_with(**{name: other})[name] == other


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", "http://smsc.example"),
        ("host", "smsc.example:2775"),
        ("port", 0),
        ("port", 65536),
        ("account", "é"),
        ("account", "a" * 65),
        ("password", "p" * 65),
        ("receiver_account", "a" * 65),
        ("receiver_password", "p" * 65),
        ("system_type", "t" * 13),
        ("service_type", "abcdef"),
        ("source_number", "1" * 21),
        ("address_range", "1" * 41),
        ("source_ton", 256),
        ("implementation_name", "a|b"),
        ("implementation_name", " "),
        ("window", 0),
        ("encodings", []),
        ("encodings", [{"encoding": "gsm"}]),
        ("encodings", [{"data_coding": 256, "encoding": "gsm"}]),
    ],
)
def test_value_that_cannot_be_carried_is_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        settings_with(**{name: value})


def test_every_setting_is_tried_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [setting.name for setting in SPEC.settings if setting.name not in source] == []
