"""What commands and fields of SMPP 3.4 say, in words."""

from collections.abc import Callable, Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chappe.features.words import localised
from chappe.rules.smpp_status import STATUSES
from chappe.smpp import CommandId, MessageState, Tag, status_name
from chappe.smpp.constants import ESM_MESSAGE_TYPE, ESM_REPLY_PATH, ESM_UDHI

Words = str | Promise

COMMANDS: Mapping[int, Words] = {
    CommandId.BIND_RECEIVER: gettext_lazy("Log-in to receive"),
    CommandId.BIND_TRANSMITTER: gettext_lazy("Log-in to send"),
    CommandId.BIND_TRANSCEIVER: gettext_lazy("Log-in to send and receive"),
    CommandId.BIND_RECEIVER_RESP: gettext_lazy("Answer to the log-in"),
    CommandId.BIND_TRANSMITTER_RESP: gettext_lazy("Answer to the log-in"),
    CommandId.BIND_TRANSCEIVER_RESP: gettext_lazy("Answer to the log-in"),
    CommandId.OUTBIND: gettext_lazy("The provider asks us to log in"),
    CommandId.UNBIND: gettext_lazy("Log-out"),
    CommandId.UNBIND_RESP: gettext_lazy("Answer to the log-out"),
    CommandId.SUBMIT_SM: gettext_lazy("Message to a phone"),
    CommandId.SUBMIT_SM_RESP: gettext_lazy("Answer to a message"),
    CommandId.SUBMIT_MULTI: gettext_lazy("Message to several phones"),
    CommandId.SUBMIT_MULTI_RESP: gettext_lazy("Answer to a message"),
    CommandId.DELIVER_SM: gettext_lazy("Text from a phone"),
    CommandId.DELIVER_SM_RESP: gettext_lazy("Our acknowledgement"),
    CommandId.DATA_SM: gettext_lazy("Data"),
    CommandId.DATA_SM_RESP: gettext_lazy("Answer to data"),
    CommandId.QUERY_SM: gettext_lazy("Question about a message"),
    CommandId.QUERY_SM_RESP: gettext_lazy("Answer about a message"),
    CommandId.CANCEL_SM: gettext_lazy("Cancellation of a message"),
    CommandId.CANCEL_SM_RESP: gettext_lazy("Answer to a cancellation"),
    CommandId.REPLACE_SM: gettext_lazy("Replacement of a message"),
    CommandId.REPLACE_SM_RESP: gettext_lazy("Answer to a replacement"),
    CommandId.ENQUIRE_LINK: gettext_lazy("Are you still there?"),
    CommandId.ENQUIRE_LINK_RESP: gettext_lazy("Still there"),
    CommandId.ALERT_NOTIFICATION: gettext_lazy("A phone can be reached again"),
    CommandId.GENERIC_NACK: gettext_lazy("Not understood"),
}
RECEIPT = gettext_lazy("Receipt")
NOTIFICATION = gettext_lazy("Notification of a state in between")
_RECEIPT_TYPES = {0x04: RECEIPT, 0x20: NOTIFICATION}

_TON: Mapping[int, Words] = {
    0: gettext_lazy("unknown"),
    1: gettext_lazy("international"),
    2: gettext_lazy("national"),
    3: gettext_lazy("of the provider's network"),
    4: gettext_lazy("subscriber number"),
    5: gettext_lazy("name with letters"),
    6: gettext_lazy("abbreviated"),
}
_NPI: Mapping[int, Words] = {
    0: gettext_lazy("unknown"),
    1: gettext_lazy("telephone numbers (E.164)"),
    3: gettext_lazy("data (X.121)"),
    4: gettext_lazy("telex (F.69)"),
    6: gettext_lazy("mobile (E.212)"),
    8: gettext_lazy("national"),
    9: gettext_lazy("private"),
    10: gettext_lazy("ERMES"),
    14: gettext_lazy("Internet (IP)"),
    18: gettext_lazy("WAP client"),
}
_CODINGS: Mapping[int, Words] = {
    0: gettext_lazy("the provider's default alphabet, usually GSM"),
    1: gettext_lazy("ASCII"),
    2: gettext_lazy("octets"),
    3: gettext_lazy("Latin-1"),
    4: gettext_lazy("octets"),
    5: gettext_lazy("Japanese (JIS)"),
    6: gettext_lazy("Cyrillic"),
    7: gettext_lazy("Latin and Hebrew"),
    8: gettext_lazy("Unicode (UCS-2), two octets a character"),
    10: gettext_lazy("Japanese (ISO-2022-JP)"),
    13: gettext_lazy("Japanese (JIS X 0212)"),
    14: gettext_lazy("Korean (KS C 5601)"),
}
_RECEIPTS_WANTED: Mapping[int, Words] = {
    0: gettext_lazy("no receipt wanted"),
    1: gettext_lazy("a receipt wanted, whatever becomes of it"),
    2: gettext_lazy("a receipt wanted if it fails"),
}
_STATES: Mapping[int, Words] = {
    MessageState.ENROUTE: gettext_lazy("on its way"),
    MessageState.DELIVERED: gettext_lazy("delivered"),
    MessageState.EXPIRED: gettext_lazy("expired"),
    MessageState.DELETED: gettext_lazy("deleted"),
    MessageState.UNDELIVERABLE: gettext_lazy("undeliverable"),
    MessageState.ACCEPTED: gettext_lazy("read for the subscriber"),
    MessageState.UNKNOWN: gettext_lazy("unknown"),
    MessageState.REJECTED: gettext_lazy("rejected"),
}
_PRIORITIES: Mapping[int, Words] = {
    0: gettext_lazy("lowest"),
    1: gettext_lazy("normal"),
    2: gettext_lazy("urgent"),
    3: gettext_lazy("highest"),
}
_VERSIONS: Mapping[int, Words] = {0x33: "SMPP 3.3", 0x34: "SMPP 3.4", 0x50: "SMPP 5.0"}


def command_words(command_id: int, esm_class: int = 0) -> Words:
    """What a PDU is, for people."""
    if command_id in (CommandId.DELIVER_SM, CommandId.DATA_SM) and esm_class & ESM_MESSAGE_TYPE in _RECEIPT_TYPES:
        return _RECEIPT_TYPES[esm_class & ESM_MESSAGE_TYPE]
    return COMMANDS.get(command_id, gettext_lazy("A command that the standard does not know"))


def status_words(status: int) -> str:
    """What a command_status says."""
    if status == 0:
        return _("no error")
    known = STATUSES.get(status)
    if known is not None:
        return localised(known.words)
    return _("an error of the provider's own") if 0x400 <= status <= 0x4FF else _("a status the standard reserves")


def status_code(status: int) -> str:
    """`ESME_RTHROTTLED (0x58)`."""
    name = status_name(status)
    return name if name.startswith("0x") else f"{name} (0x{status:02X})"


def _esm_class(value: int) -> str:
    kinds = {
        0x00: _("a message"),
        0x04: _("a receipt"),
        0x08: _("an acknowledgement of delivery"),
        0x10: _("an acknowledgement by the user"),
        0x20: _("a notification of a state in between"),
    }
    said = [kinds.get(value & ESM_MESSAGE_TYPE, _("of a kind that the standard reserves"))]
    if value & ESM_UDHI:
        said.append(_("with a header before the text"))
    if value & ESM_REPLY_PATH:
        said.append(_("with a path for the reply"))
    return ", ".join(said)


def _registered_delivery(value: int) -> Words:
    return _RECEIPTS_WANTED.get(value & 0x03, "")


def _coding(value: int) -> Words:
    if value in _CODINGS:
        return _CODINGS[value]
    return _("by message class (GSM 03.38)") if value >= 0x10 else ""


_FIELDS: Mapping[str, Callable[[int], Words]] = {
    "esm_class": _esm_class,
    "registered_delivery": _registered_delivery,
    "data_coding": _coding,
    "priority_flag": lambda value: _PRIORITIES.get(value, ""),
    "message_state": lambda value: _STATES.get(value, ""),
    "interface_version": lambda value: _VERSIONS.get(value, ""),
    "sc_interface_version": lambda value: _VERSIONS.get(value, ""),
    "error_code": lambda value: "" if value else _("none"),
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
    "service_type": gettext_lazy("Service type"),
    "source_addr_ton": gettext_lazy("Sender, kind of number"),
    "source_addr_npi": gettext_lazy("Sender, numbering plan"),
    "source_addr": gettext_lazy("Sender"),
    "dest_addr_ton": gettext_lazy("Recipient, kind of number"),
    "dest_addr_npi": gettext_lazy("Recipient, numbering plan"),
    "destination_addr": gettext_lazy("Recipient"),
    "dest_addresses": gettext_lazy("Recipients"),
    "unsuccess_smes": gettext_lazy("Recipients not reached"),
    "esm_class": gettext_lazy("Form of message"),
    "protocol_id": gettext_lazy("Protocol"),
    "priority_flag": gettext_lazy("Priority"),
    "schedule_delivery_time": gettext_lazy("To be sent at"),
    "validity_period": gettext_lazy("Valid until"),
    "registered_delivery": gettext_lazy("Receipt"),
    "replace_if_present_flag": gettext_lazy("Replaces an earlier one"),
    "data_coding": gettext_lazy("Alphabet"),
    "sm_default_msg_id": gettext_lazy("Prepared message"),
    "short_message": gettext_lazy("Text"),
    "message_id": gettext_lazy("The provider's id"),
    "system_id": gettext_lazy("Account"),
    "password": gettext_lazy("Password"),
    "system_type": gettext_lazy("System type"),
    "interface_version": gettext_lazy("Version"),
    "addr_ton": gettext_lazy("Served numbers, kind"),
    "addr_npi": gettext_lazy("Served numbers, plan"),
    "address_range": gettext_lazy("Served numbers"),
    "final_date": gettext_lazy("Ended at"),
    "message_state": gettext_lazy("State"),
    "error_code": gettext_lazy("Error"),
    "esme_addr_ton": gettext_lazy("Our number, kind"),
    "esme_addr_npi": gettext_lazy("Our number, plan"),
    "esme_addr": gettext_lazy("Our number"),
}
TAG_LABELS: Mapping[int, Words] = {
    Tag.MESSAGE_PAYLOAD: gettext_lazy("Text"),
    Tag.RECEIPTED_MESSAGE_ID: gettext_lazy("The provider's id of the message"),
    Tag.MESSAGE_STATE: gettext_lazy("State"),
    Tag.NETWORK_ERROR_CODE: gettext_lazy("Error of the network"),
    Tag.SAR_MSG_REF_NUM: gettext_lazy("Number of the long message"),
    Tag.SAR_TOTAL_SEGMENTS: gettext_lazy("Segments in all"),
    Tag.SAR_SEGMENT_SEQNUM: gettext_lazy("Which segment"),
    Tag.SC_INTERFACE_VERSION: gettext_lazy("The provider's version"),
    Tag.DEST_ADDR_SUBUNIT: gettext_lazy("Where on the phone"),
    Tag.ADDITIONAL_STATUS_INFO_TEXT: gettext_lazy("The provider's words"),
    Tag.USER_MESSAGE_REFERENCE: gettext_lazy("Our number of the message"),
    Tag.CALLBACK_NUM: gettext_lazy("Number to call back"),
    Tag.SOURCE_PORT: gettext_lazy("Port it comes from"),
    Tag.DESTINATION_PORT: gettext_lazy("Port it goes to"),
}
NETWORKS: Mapping[int, str] = {1: "ANSI-136", 2: "IS-95", 3: "GSM"}


def network_error(value: bytes) -> str:
    """network_error_code (5.3.2.31): which network, and the number it gave."""
    network = NETWORKS.get(value[0]) if len(value) == 3 else None
    if network is None:
        return ""
    return _("%(network)s error %(code)s") % {"network": network, "code": int.from_bytes(value[1:], "big")}
