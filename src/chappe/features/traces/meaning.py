"""What commands and fields of SMPP 3.4 say, in words."""

from collections.abc import Callable, Mapping

from django.utils.functional import Promise
from django.utils.translation import pgettext, pgettext_lazy

from chappe.features.words import localised
from chappe.rules.smpp_status import STATUSES
from chappe.smpp import CommandId, MessageState, Tag, status_name
from chappe.smpp.constants import ESM_MESSAGE_TYPE, ESM_REPLY_PATH, ESM_UDHI

Words = str | Promise

COMMANDS: Mapping[int, Words] = {
    CommandId.BIND_RECEIVER: pgettext_lazy("smpp", "Log-in to receive"),
    CommandId.BIND_TRANSMITTER: pgettext_lazy("smpp", "Log-in to send"),
    CommandId.BIND_TRANSCEIVER: pgettext_lazy("smpp", "Log-in to send and receive"),
    CommandId.BIND_RECEIVER_RESP: pgettext_lazy("smpp", "Answer to the log-in"),
    CommandId.BIND_TRANSMITTER_RESP: pgettext_lazy("smpp", "Answer to the log-in"),
    CommandId.BIND_TRANSCEIVER_RESP: pgettext_lazy("smpp", "Answer to the log-in"),
    CommandId.OUTBIND: pgettext_lazy("smpp", "The provider asks us to log in"),
    CommandId.UNBIND: pgettext_lazy("smpp", "Log-out"),
    CommandId.UNBIND_RESP: pgettext_lazy("smpp", "Answer to the log-out"),
    CommandId.SUBMIT_SM: pgettext_lazy("smpp", "Message to a phone"),
    CommandId.SUBMIT_SM_RESP: pgettext_lazy("smpp", "Answer to a message"),
    CommandId.SUBMIT_MULTI: pgettext_lazy("smpp", "Message to several phones"),
    CommandId.SUBMIT_MULTI_RESP: pgettext_lazy("smpp", "Answer to a message"),
    CommandId.DELIVER_SM: pgettext_lazy("smpp", "Text from a phone"),
    CommandId.DELIVER_SM_RESP: pgettext_lazy("smpp", "Our acknowledgement"),
    CommandId.DATA_SM: pgettext_lazy("smpp", "Data"),
    CommandId.DATA_SM_RESP: pgettext_lazy("smpp", "Answer to data"),
    CommandId.QUERY_SM: pgettext_lazy("smpp", "Question about a message"),
    CommandId.QUERY_SM_RESP: pgettext_lazy("smpp", "Answer about a message"),
    CommandId.CANCEL_SM: pgettext_lazy("smpp", "Cancellation of a message"),
    CommandId.CANCEL_SM_RESP: pgettext_lazy("smpp", "Answer to a cancellation"),
    CommandId.REPLACE_SM: pgettext_lazy("smpp", "Replacement of a message"),
    CommandId.REPLACE_SM_RESP: pgettext_lazy("smpp", "Answer to a replacement"),
    CommandId.ENQUIRE_LINK: pgettext_lazy("smpp", "Are you still there?"),
    CommandId.ENQUIRE_LINK_RESP: pgettext_lazy("smpp", "Still there"),
    CommandId.ALERT_NOTIFICATION: pgettext_lazy("smpp", "A phone can be reached again"),
    CommandId.GENERIC_NACK: pgettext_lazy("smpp", "Not understood"),
}
RECEIPT = pgettext_lazy("smpp", "Receipt")
NOTIFICATION = pgettext_lazy("smpp", "Notification of a state in between")
_RECEIPT_TYPES = {0x04: RECEIPT, 0x20: NOTIFICATION}

_TON: Mapping[int, Words] = {
    0: pgettext_lazy("smpp", "unknown"),
    1: pgettext_lazy("smpp", "international"),
    2: pgettext_lazy("smpp", "national"),
    3: pgettext_lazy("smpp", "of the provider's network"),
    4: pgettext_lazy("smpp", "subscriber number"),
    5: pgettext_lazy("smpp", "name with letters"),
    6: pgettext_lazy("smpp", "abbreviated"),
}
_NPI: Mapping[int, Words] = {
    0: pgettext_lazy("smpp", "unknown"),
    1: pgettext_lazy("smpp", "telephone numbers (E.164)"),
    3: pgettext_lazy("smpp", "data (X.121)"),
    4: pgettext_lazy("smpp", "telex (F.69)"),
    6: pgettext_lazy("smpp", "mobile (E.212)"),
    8: pgettext_lazy("smpp", "national"),
    9: pgettext_lazy("smpp", "private"),
    10: pgettext_lazy("smpp", "ERMES"),
    14: pgettext_lazy("smpp", "Internet (IP)"),
    18: pgettext_lazy("smpp", "WAP client"),
}
_CODINGS: Mapping[int, Words] = {
    0: pgettext_lazy("smpp", "the provider's default alphabet, usually GSM"),
    1: pgettext_lazy("smpp", "ASCII"),
    2: pgettext_lazy("smpp", "octets"),
    3: pgettext_lazy("smpp", "Latin-1"),
    4: pgettext_lazy("smpp", "octets"),
    5: pgettext_lazy("smpp", "Japanese (JIS)"),
    6: pgettext_lazy("smpp", "Cyrillic"),
    7: pgettext_lazy("smpp", "Latin and Hebrew"),
    8: pgettext_lazy("smpp", "Unicode (UCS-2), two octets a character"),
    10: pgettext_lazy("smpp", "Japanese (ISO-2022-JP)"),
    13: pgettext_lazy("smpp", "Japanese (JIS X 0212)"),
    14: pgettext_lazy("smpp", "Korean (KS C 5601)"),
}
_RECEIPTS_WANTED: Mapping[int, Words] = {
    0: pgettext_lazy("smpp", "no receipt wanted"),
    1: pgettext_lazy("smpp", "a receipt wanted, whatever becomes of it"),
    2: pgettext_lazy("smpp", "a receipt wanted if it fails"),
}
_STATES: Mapping[int, Words] = {
    MessageState.ENROUTE: pgettext_lazy("smpp", "on its way"),
    MessageState.DELIVERED: pgettext_lazy("smpp", "delivered"),
    MessageState.EXPIRED: pgettext_lazy("smpp", "expired"),
    MessageState.DELETED: pgettext_lazy("smpp", "deleted"),
    MessageState.UNDELIVERABLE: pgettext_lazy("smpp", "undeliverable"),
    MessageState.ACCEPTED: pgettext_lazy("smpp", "read for the subscriber"),
    MessageState.UNKNOWN: pgettext_lazy("smpp", "unknown"),
    MessageState.REJECTED: pgettext_lazy("smpp", "rejected"),
}
_PRIORITIES: Mapping[int, Words] = {
    0: pgettext_lazy("smpp", "lowest"),
    1: pgettext_lazy("smpp", "normal"),
    2: pgettext_lazy("smpp", "urgent"),
    3: pgettext_lazy("smpp", "highest"),
}
_VERSIONS: Mapping[int, Words] = {0x33: "SMPP 3.3", 0x34: "SMPP 3.4", 0x50: "SMPP 5.0"}


def command_words(command_id: int, esm_class: int = 0) -> Words:
    """What a PDU is, for people."""
    if command_id in (CommandId.DELIVER_SM, CommandId.DATA_SM) and esm_class & ESM_MESSAGE_TYPE in _RECEIPT_TYPES:
        return _RECEIPT_TYPES[esm_class & ESM_MESSAGE_TYPE]
    return COMMANDS.get(command_id, pgettext_lazy("smpp", "A command that the standard does not know"))


def status_words(status: int) -> str:
    """What a command_status says."""
    if status == 0:
        return pgettext("smpp", "no error")
    known = STATUSES.get(status)
    if known is not None:
        return localised(known.words)
    return (
        pgettext("smpp", "an error of the provider's own")
        if 0x400 <= status <= 0x4FF
        else pgettext("smpp", "a status the standard reserves")
    )


def status_code(status: int) -> str:
    """`ESME_RTHROTTLED (0x58)`."""
    name = status_name(status)
    return name if name.startswith("0x") else f"{name} (0x{status:02X})"


def _esm_class(value: int) -> str:
    kinds = {
        0x00: pgettext("smpp", "a message"),
        0x04: pgettext("smpp", "a receipt"),
        0x08: pgettext("smpp", "an acknowledgement of delivery"),
        0x10: pgettext("smpp", "an acknowledgement by the user"),
        0x20: pgettext("smpp", "a notification of a state in between"),
    }
    said = [kinds.get(value & ESM_MESSAGE_TYPE, pgettext("smpp", "of a kind that the standard reserves"))]
    if value & ESM_UDHI:
        said.append(pgettext("smpp", "with a header before the text"))
    if value & ESM_REPLY_PATH:
        said.append(pgettext("smpp", "with a path for the reply"))
    return ", ".join(said)


def _registered_delivery(value: int) -> Words:
    return _RECEIPTS_WANTED.get(value & 0x03, "")


def _coding(value: int) -> Words:
    if value in _CODINGS:
        return _CODINGS[value]
    return pgettext("smpp", "by message class (GSM 03.38)") if value >= 0x10 else ""


_FIELDS: Mapping[str, Callable[[int], Words]] = {
    "esm_class": _esm_class,
    "registered_delivery": _registered_delivery,
    "data_coding": _coding,
    "priority_flag": lambda value: _PRIORITIES.get(value, ""),
    "message_state": lambda value: _STATES.get(value, ""),
    "interface_version": lambda value: _VERSIONS.get(value, ""),
    "sc_interface_version": lambda value: _VERSIONS.get(value, ""),
    "error_code": lambda value: "" if value else pgettext("smpp", "none"),
}
HEXADECIMAL = frozenset(
    {"esm_class", "data_coding", "registered_delivery", "interface_version", "sc_interface_version"}
)
"""Numbers that people know in this form."""


def integer_words(name: str, value: int) -> Words:
    """What the number in a field means; "" where it is only a number."""
    if name.endswith("_ton"):
        return _TON.get(value, "")
    if name.endswith("_npi"):
        return _NPI.get(value, "")
    meaning = _FIELDS.get(name)
    return meaning(value) if meaning is not None else ""


FIELD_LABELS: Mapping[str, Words] = {
    "service_type": pgettext_lazy("smpp", "Service type"),
    "source_addr_ton": pgettext_lazy("smpp", "Sender, kind of number"),
    "source_addr_npi": pgettext_lazy("smpp", "Sender, numbering plan"),
    "source_addr": pgettext_lazy("smpp", "Sender"),
    "dest_addr_ton": pgettext_lazy("smpp", "Recipient, kind of number"),
    "dest_addr_npi": pgettext_lazy("smpp", "Recipient, numbering plan"),
    "destination_addr": pgettext_lazy("smpp", "Recipient"),
    "dest_addresses": pgettext_lazy("smpp", "Recipients"),
    "unsuccess_smes": pgettext_lazy("smpp", "Recipients not reached"),
    "esm_class": pgettext_lazy("smpp", "Form of message"),
    "protocol_id": pgettext_lazy("smpp", "Protocol"),
    "priority_flag": pgettext_lazy("smpp", "Priority"),
    "schedule_delivery_time": pgettext_lazy("smpp", "To be sent at"),
    "validity_period": pgettext_lazy("smpp", "Valid until"),
    "registered_delivery": pgettext_lazy("smpp", "Receipt"),
    "replace_if_present_flag": pgettext_lazy("smpp", "Replaces an earlier one"),
    "data_coding": pgettext_lazy("smpp", "Alphabet"),
    "sm_default_msg_id": pgettext_lazy("smpp", "Prepared message"),
    "short_message": pgettext_lazy("smpp", "Text"),
    "message_id": pgettext_lazy("smpp", "The provider's id"),
    "system_id": pgettext_lazy("smpp", "Account"),
    "password": pgettext_lazy("smpp", "Password"),
    "system_type": pgettext_lazy("smpp", "System type"),
    "interface_version": pgettext_lazy("smpp", "Version"),
    "addr_ton": pgettext_lazy("smpp", "Served numbers, kind"),
    "addr_npi": pgettext_lazy("smpp", "Served numbers, plan"),
    "address_range": pgettext_lazy("smpp", "Served numbers"),
    "final_date": pgettext_lazy("smpp", "Ended at"),
    "message_state": pgettext_lazy("smpp", "State"),
    "error_code": pgettext_lazy("smpp", "Error"),
    "esme_addr_ton": pgettext_lazy("smpp", "Our number, kind"),
    "esme_addr_npi": pgettext_lazy("smpp", "Our number, plan"),
    "esme_addr": pgettext_lazy("smpp", "Our number"),
}
TAG_LABELS: Mapping[int, Words] = {
    Tag.MESSAGE_PAYLOAD: pgettext_lazy("smpp", "Text"),
    Tag.RECEIPTED_MESSAGE_ID: pgettext_lazy("smpp", "The provider's id of the message"),
    Tag.MESSAGE_STATE: pgettext_lazy("smpp", "State"),
    Tag.NETWORK_ERROR_CODE: pgettext_lazy("smpp", "Error of the network"),
    Tag.SAR_MSG_REF_NUM: pgettext_lazy("smpp", "Number of the long message"),
    Tag.SAR_TOTAL_SEGMENTS: pgettext_lazy("smpp", "Segments in all"),
    Tag.SAR_SEGMENT_SEQNUM: pgettext_lazy("smpp", "Which segment"),
    Tag.SC_INTERFACE_VERSION: pgettext_lazy("smpp", "The provider's version"),
    Tag.DEST_ADDR_SUBUNIT: pgettext_lazy("smpp", "Where on the phone"),
    Tag.ADDITIONAL_STATUS_INFO_TEXT: pgettext_lazy("smpp", "The provider's words"),
    Tag.USER_MESSAGE_REFERENCE: pgettext_lazy("smpp", "Our number of the message"),
    Tag.CALLBACK_NUM: pgettext_lazy("smpp", "Number to call back"),
    Tag.SOURCE_PORT: pgettext_lazy("smpp", "Port it comes from"),
    Tag.DESTINATION_PORT: pgettext_lazy("smpp", "Port it goes to"),
}
NETWORKS: Mapping[int, str] = {1: "ANSI-136", 2: "IS-95", 3: "GSM"}


def network_error(value: bytes) -> str:
    """network_error_code (5.3.2.31): which network, and the number it gave."""
    network = NETWORKS.get(value[0]) if len(value) == 3 else None
    if network is None:
        return ""
    return pgettext("smpp", "%(network)s error %(code)s") % {
        "network": network,
        "code": int.from_bytes(value[1:], "big"),
    }
