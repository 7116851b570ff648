"""What can go wrong between two SMPP ends (SMPP 3.4, clauses 3.2 and 4.3).

Errors carry facts as attributes; their texts never hold a password or the text of a message.
"""

from .constants import command_name, status_name


class ProtocolError(Exception):
    """Anything that goes against the protocol, on either side."""


class LocalProtocolError(ProtocolError):
    """This side asked for something that the protocol, the state or the window does not allow: a bug of ours.

    `field` names the field at fault, where one is."""

    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(f"{field}: {text}" if field else text)
        self.field = field


class RemoteProtocolError(ProtocolError):
    """The peer sent something that the protocol does not allow."""


class MalformedPdu(RemoteProtocolError):
    """A PDU whose header can be read but that cannot be taken; `command_status` says why. The stream goes on."""

    def __init__(self, command_id: int, sequence_number: int, command_status: int, text: str) -> None:
        super().__init__(
            f"{command_name(command_id)} (sequence_number {sequence_number}): {text} [{status_name(command_status)}]"
        )
        self.command_id = command_id
        self.sequence_number = sequence_number
        self.command_status = command_status
        self.text = text


class BrokenStream(RemoteProtocolError):
    """A command_length that cannot be: where the next PDU begins is unknown, so the connection has to be closed."""

    def __init__(self, command_length: int, limit: int) -> None:
        super().__init__(f"command_length {command_length} is not between 16 and {limit}")
        self.command_length = command_length
        self.limit = limit
