"""The numbers that SMPP 3.4 gives names to: command_id (5.1.2.1), command_status (5.1.3), optional parameter tags
(5.3.2), message_state (5.2.28), and the bits of esm_class (5.2.12) and registered_delivery (5.2.17).
"""

from enum import Enum, IntEnum
from typing import Final

RESPONSE: Final = 0x80000000
"""The bit of a command_id that tells a response from a request."""

MAX_SEQUENCE_NUMBER: Final = 0x7FFFFFFF
INTERFACE_VERSION_3_4: Final = 0x34


class CommandId(IntEnum):
    """The command set, 5.1.2.1."""

    BIND_RECEIVER = 0x00000001
    BIND_TRANSMITTER = 0x00000002
    QUERY_SM = 0x00000003
    SUBMIT_SM = 0x00000004
    DELIVER_SM = 0x00000005
    UNBIND = 0x00000006
    REPLACE_SM = 0x00000007
    CANCEL_SM = 0x00000008
    BIND_TRANSCEIVER = 0x00000009
    OUTBIND = 0x0000000B
    ENQUIRE_LINK = 0x00000015
    SUBMIT_MULTI = 0x00000021
    ALERT_NOTIFICATION = 0x00000102
    DATA_SM = 0x00000103
    GENERIC_NACK = 0x80000000
    BIND_RECEIVER_RESP = 0x80000001
    BIND_TRANSMITTER_RESP = 0x80000002
    QUERY_SM_RESP = 0x80000003
    SUBMIT_SM_RESP = 0x80000004
    DELIVER_SM_RESP = 0x80000005
    UNBIND_RESP = 0x80000006
    REPLACE_SM_RESP = 0x80000007
    CANCEL_SM_RESP = 0x80000008
    BIND_TRANSCEIVER_RESP = 0x80000009
    ENQUIRE_LINK_RESP = 0x80000015
    SUBMIT_MULTI_RESP = 0x80000021
    DATA_SM_RESP = 0x80000103


class BindKind(IntEnum):
    """How an ESME binds; the value is the command_id of the bind."""

    RECEIVER = CommandId.BIND_RECEIVER
    TRANSMITTER = CommandId.BIND_TRANSMITTER
    TRANSCEIVER = CommandId.BIND_TRANSCEIVER


class CommandStatus(IntEnum):
    """The statuses of 5.1.3; 0x400 to 0x4FF belong to each SMSC vendor and have no name here."""

    ESME_ROK = 0x00
    ESME_RINVMSGLEN = 0x01
    ESME_RINVCMDLEN = 0x02
    ESME_RINVCMDID = 0x03
    ESME_RINVBNDSTS = 0x04
    ESME_RALYBND = 0x05
    ESME_RINVPRTFLG = 0x06
    ESME_RINVREGDLVFLG = 0x07
    ESME_RSYSERR = 0x08
    ESME_RINVSRCADR = 0x0A
    ESME_RINVDSTADR = 0x0B
    ESME_RINVMSGID = 0x0C
    ESME_RBINDFAIL = 0x0D
    ESME_RINVPASWD = 0x0E
    ESME_RINVSYSID = 0x0F
    ESME_RCANCELFAIL = 0x11
    ESME_RREPLACEFAIL = 0x13
    ESME_RMSGQFUL = 0x14
    ESME_RINVSERTYP = 0x15
    ESME_RINVNUMDESTS = 0x33
    ESME_RINVDLNAME = 0x34
    ESME_RINVDESTFLAG = 0x40
    ESME_RINVSUBREP = 0x42
    ESME_RINVESMCLASS = 0x43
    ESME_RCNTSUBDL = 0x44
    ESME_RSUBMITFAIL = 0x45
    ESME_RINVSRCTON = 0x48
    ESME_RINVSRCNPI = 0x49
    ESME_RINVDSTTON = 0x50
    ESME_RINVDSTNPI = 0x51
    ESME_RINVSYSTYP = 0x53
    ESME_RINVREPFLAG = 0x54
    ESME_RINVNUMMSGS = 0x55
    ESME_RTHROTTLED = 0x58
    ESME_RINVSCHED = 0x61
    ESME_RINVEXPIRY = 0x62
    ESME_RINVDFTMSGID = 0x63
    ESME_RX_T_APPN = 0x64
    ESME_RX_P_APPN = 0x65
    ESME_RX_R_APPN = 0x66
    ESME_RQUERYFAIL = 0x67
    ESME_RINVOPTPARSTREAM = 0xC0
    ESME_ROPTPARNOTALLWD = 0xC1
    ESME_RINVPARLEN = 0xC2
    ESME_RMISSINGOPTPARAM = 0xC3
    ESME_RINVOPTPARAMVAL = 0xC4
    ESME_RDELIVERYFAILURE = 0xFE
    ESME_RUNKNOWNERR = 0xFF


STATUS_TEXTS: Final[dict[int, str]] = {
    CommandStatus.ESME_ROK: "no error",
    CommandStatus.ESME_RINVMSGLEN: "the length of the message is wrong",
    CommandStatus.ESME_RINVCMDLEN: "the length of the PDU is wrong",
    CommandStatus.ESME_RINVCMDID: "unknown command",
    CommandStatus.ESME_RINVBNDSTS: "the command does not fit how the session is bound",
    CommandStatus.ESME_RALYBND: "already bound",
    CommandStatus.ESME_RINVPRTFLG: "wrong priority_flag",
    CommandStatus.ESME_RINVREGDLVFLG: "wrong registered_delivery",
    CommandStatus.ESME_RSYSERR: "system error",
    CommandStatus.ESME_RINVSRCADR: "wrong source address",
    CommandStatus.ESME_RINVDSTADR: "wrong destination address",
    CommandStatus.ESME_RINVMSGID: "unknown message_id",
    CommandStatus.ESME_RBINDFAIL: "the bind failed",
    CommandStatus.ESME_RINVPASWD: "wrong password",
    CommandStatus.ESME_RINVSYSID: "wrong system_id",
    CommandStatus.ESME_RCANCELFAIL: "cancel_sm failed",
    CommandStatus.ESME_RREPLACEFAIL: "replace_sm failed",
    CommandStatus.ESME_RMSGQFUL: "message queue full",
    CommandStatus.ESME_RINVSERTYP: "wrong service_type",
    CommandStatus.ESME_RINVNUMDESTS: "wrong number of destinations",
    CommandStatus.ESME_RINVDLNAME: "unknown distribution list",
    CommandStatus.ESME_RINVDESTFLAG: "wrong dest_flag",
    CommandStatus.ESME_RINVSUBREP: "submit with replace refused",
    CommandStatus.ESME_RINVESMCLASS: "wrong esm_class",
    CommandStatus.ESME_RCNTSUBDL: "cannot submit to the distribution list",
    CommandStatus.ESME_RSUBMITFAIL: "the submit failed",
    CommandStatus.ESME_RINVSRCTON: "wrong source_addr_ton",
    CommandStatus.ESME_RINVSRCNPI: "wrong source_addr_npi",
    CommandStatus.ESME_RINVDSTTON: "wrong dest_addr_ton",
    CommandStatus.ESME_RINVDSTNPI: "wrong dest_addr_npi",
    CommandStatus.ESME_RINVSYSTYP: "wrong system_type",
    CommandStatus.ESME_RINVREPFLAG: "wrong replace_if_present_flag",
    CommandStatus.ESME_RINVNUMMSGS: "wrong number of messages",
    CommandStatus.ESME_RTHROTTLED: "throttled: too many messages",
    CommandStatus.ESME_RINVSCHED: "wrong schedule_delivery_time",
    CommandStatus.ESME_RINVEXPIRY: "wrong validity_period",
    CommandStatus.ESME_RINVDFTMSGID: "unknown predefined message",
    CommandStatus.ESME_RX_T_APPN: "the ESME cannot take it now",
    CommandStatus.ESME_RX_P_APPN: "the ESME will never take it",
    CommandStatus.ESME_RX_R_APPN: "the ESME rejects this message",
    CommandStatus.ESME_RQUERYFAIL: "query_sm failed",
    CommandStatus.ESME_RINVOPTPARSTREAM: "the optional parameters cannot be read",
    CommandStatus.ESME_ROPTPARNOTALLWD: "an optional parameter is not allowed here",
    CommandStatus.ESME_RINVPARLEN: "a parameter has a wrong length",
    CommandStatus.ESME_RMISSINGOPTPARAM: "an optional parameter is missing",
    CommandStatus.ESME_RINVOPTPARAMVAL: "an optional parameter has a wrong value",
    CommandStatus.ESME_RDELIVERYFAILURE: "delivery failed",
    CommandStatus.ESME_RUNKNOWNERR: "unknown error",
}


class TlvType(Enum):
    """How the value of an optional parameter is to be read."""

    INTEGER = "integer"
    C_OCTETS = "C-octet string"
    OCTETS = "octet string"
    EMPTY = "no value"


class Tag(IntEnum):
    """The optional parameters of 5.3.2."""

    DEST_ADDR_SUBUNIT = 0x0005
    DEST_NETWORK_TYPE = 0x0006
    DEST_BEARER_TYPE = 0x0007
    DEST_TELEMATICS_ID = 0x0008
    SOURCE_ADDR_SUBUNIT = 0x000D
    SOURCE_NETWORK_TYPE = 0x000E
    SOURCE_BEARER_TYPE = 0x000F
    SOURCE_TELEMATICS_ID = 0x0010
    QOS_TIME_TO_LIVE = 0x0017
    PAYLOAD_TYPE = 0x0019
    ADDITIONAL_STATUS_INFO_TEXT = 0x001D
    RECEIPTED_MESSAGE_ID = 0x001E
    MS_MSG_WAIT_FACILITIES = 0x0030
    PRIVACY_INDICATOR = 0x0201
    SOURCE_SUBADDRESS = 0x0202
    DEST_SUBADDRESS = 0x0203
    USER_MESSAGE_REFERENCE = 0x0204
    USER_RESPONSE_CODE = 0x0205
    SOURCE_PORT = 0x020A
    DESTINATION_PORT = 0x020B
    SAR_MSG_REF_NUM = 0x020C
    LANGUAGE_INDICATOR = 0x020D
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    SC_INTERFACE_VERSION = 0x0210
    CALLBACK_NUM_PRES_IND = 0x0302
    CALLBACK_NUM_ATAG = 0x0303
    NUMBER_OF_MESSAGES = 0x0304
    CALLBACK_NUM = 0x0381
    DPF_RESULT = 0x0420
    SET_DPF = 0x0421
    MS_AVAILABILITY_STATUS = 0x0422
    NETWORK_ERROR_CODE = 0x0423
    MESSAGE_PAYLOAD = 0x0424
    DELIVERY_FAILURE_REASON = 0x0425
    MORE_MESSAGES_TO_SEND = 0x0426
    MESSAGE_STATE = 0x0427
    USSD_SERVICE_OP = 0x0501
    DISPLAY_TIME = 0x1201
    SMS_SIGNAL = 0x1203
    MS_VALIDITY = 0x1204
    ALERT_ON_MESSAGE_DELIVERY = 0x130C
    ITS_REPLY_TYPE = 0x1380
    ITS_SESSION_INFO = 0x1383


TLV_TYPES: Final[dict[int, tuple[TlvType, int, int]]] = {
    # tag: type, fewest octets, most octets (a C-octet string counts its NUL)
    Tag.DEST_ADDR_SUBUNIT: (TlvType.INTEGER, 1, 1),
    Tag.DEST_NETWORK_TYPE: (TlvType.INTEGER, 1, 1),
    Tag.DEST_BEARER_TYPE: (TlvType.INTEGER, 1, 1),
    Tag.DEST_TELEMATICS_ID: (TlvType.INTEGER, 2, 2),
    Tag.SOURCE_ADDR_SUBUNIT: (TlvType.INTEGER, 1, 1),
    Tag.SOURCE_NETWORK_TYPE: (TlvType.INTEGER, 1, 1),
    Tag.SOURCE_BEARER_TYPE: (TlvType.INTEGER, 1, 1),
    Tag.SOURCE_TELEMATICS_ID: (TlvType.INTEGER, 1, 1),
    Tag.QOS_TIME_TO_LIVE: (TlvType.INTEGER, 4, 4),
    Tag.PAYLOAD_TYPE: (TlvType.INTEGER, 1, 1),
    Tag.ADDITIONAL_STATUS_INFO_TEXT: (TlvType.C_OCTETS, 1, 256),
    Tag.RECEIPTED_MESSAGE_ID: (TlvType.C_OCTETS, 1, 65),
    Tag.MS_MSG_WAIT_FACILITIES: (TlvType.INTEGER, 1, 1),
    Tag.PRIVACY_INDICATOR: (TlvType.INTEGER, 1, 1),
    Tag.SOURCE_SUBADDRESS: (TlvType.OCTETS, 2, 23),
    Tag.DEST_SUBADDRESS: (TlvType.OCTETS, 2, 23),
    Tag.USER_MESSAGE_REFERENCE: (TlvType.INTEGER, 2, 2),
    Tag.USER_RESPONSE_CODE: (TlvType.INTEGER, 1, 1),
    Tag.SOURCE_PORT: (TlvType.INTEGER, 2, 2),
    Tag.DESTINATION_PORT: (TlvType.INTEGER, 2, 2),
    Tag.SAR_MSG_REF_NUM: (TlvType.INTEGER, 2, 2),
    Tag.LANGUAGE_INDICATOR: (TlvType.INTEGER, 1, 1),
    Tag.SAR_TOTAL_SEGMENTS: (TlvType.INTEGER, 1, 1),
    Tag.SAR_SEGMENT_SEQNUM: (TlvType.INTEGER, 1, 1),
    Tag.SC_INTERFACE_VERSION: (TlvType.INTEGER, 1, 1),
    Tag.CALLBACK_NUM_PRES_IND: (TlvType.INTEGER, 1, 1),
    Tag.CALLBACK_NUM_ATAG: (TlvType.OCTETS, 0, 65),
    Tag.NUMBER_OF_MESSAGES: (TlvType.INTEGER, 1, 1),
    Tag.CALLBACK_NUM: (TlvType.OCTETS, 4, 19),
    Tag.DPF_RESULT: (TlvType.INTEGER, 1, 1),
    Tag.SET_DPF: (TlvType.INTEGER, 1, 1),
    Tag.MS_AVAILABILITY_STATUS: (TlvType.INTEGER, 1, 1),
    Tag.NETWORK_ERROR_CODE: (TlvType.OCTETS, 3, 3),
    Tag.MESSAGE_PAYLOAD: (TlvType.OCTETS, 0, 0xFFFF),
    Tag.DELIVERY_FAILURE_REASON: (TlvType.INTEGER, 1, 1),
    Tag.MORE_MESSAGES_TO_SEND: (TlvType.INTEGER, 1, 1),
    Tag.MESSAGE_STATE: (TlvType.INTEGER, 1, 1),
    Tag.USSD_SERVICE_OP: (TlvType.OCTETS, 1, 1),
    Tag.DISPLAY_TIME: (TlvType.INTEGER, 1, 1),
    Tag.SMS_SIGNAL: (TlvType.INTEGER, 2, 2),
    Tag.MS_VALIDITY: (TlvType.INTEGER, 1, 1),
    Tag.ALERT_ON_MESSAGE_DELIVERY: (TlvType.EMPTY, 0, 0),
    Tag.ITS_REPLY_TYPE: (TlvType.INTEGER, 1, 1),
    Tag.ITS_SESSION_INFO: (TlvType.OCTETS, 2, 2),
}


class MessageState(IntEnum):
    """message_state of query_sm_resp and of the TLV of the same name, 5.2.28."""

    ENROUTE = 1
    DELIVERED = 2
    EXPIRED = 3
    DELETED = 4
    UNDELIVERABLE = 5
    ACCEPTED = 6
    UNKNOWN = 7
    REJECTED = 8


# esm_class, 5.2.12
ESM_STORE_AND_FORWARD: Final = 0x03
ESM_UDHI: Final = 0x40
ESM_REPLY_PATH: Final = 0x80
ESM_MESSAGE_TYPE: Final = 0x3C
"""The bits of esm_class that say what a deliver_sm holds; compare with the four constants below."""
ESM_DELIVERY_RECEIPT: Final = 0x04
ESM_DELIVERY_ACKNOWLEDGEMENT: Final = 0x08
ESM_USER_ACKNOWLEDGEMENT: Final = 0x10
ESM_INTERMEDIATE_NOTIFICATION: Final = 0x20

# registered_delivery, 5.2.17
RECEIPT_NONE: Final = 0x00
RECEIPT_ALWAYS: Final = 0x01
RECEIPT_ON_FAILURE: Final = 0x02

_COMMAND_NAMES: Final = {int(command): command.name.lower() for command in CommandId}
_STATUS_NAMES: Final = {int(status): status.name for status in CommandStatus}
_TAG_NAMES: Final = {int(tag): tag.name.lower() for tag in Tag}


def command_name(command_id: int) -> str:
    """`submit_sm` for 4; the number in hexadecimal where the standard has no name."""
    return _COMMAND_NAMES.get(command_id) or f"0x{command_id:08X}"


def status_name(command_status: int) -> str:
    """`ESME_RTHROTTLED` for 0x58; the number in hexadecimal where the standard has no name."""
    return _STATUS_NAMES.get(command_status) or f"0x{command_status:08X}"


def status_text(command_status: int) -> str:
    """A few words for an operator."""
    if text := STATUS_TEXTS.get(command_status):
        return text
    return "an error of the provider's own" if 0x400 <= command_status <= 0x4FF else "a status the standard reserves"


def tag_name(tag: int) -> str:
    """`message_payload` for 0x0424; the number in hexadecimal where the standard has no name."""
    return _TAG_NAMES.get(tag) or f"0x{tag:04X}"
