"""The texts of a delivery by e-mail: JSON for the provider's API, with what is known of a person in it.

The language is that of payloads, which escapes values by construction: whatever a name holds, JSON comes out.
"""

from collections.abc import Collection, Mapping
from typing import Any

from chappe.features.deliveries.template import RenderError
from chappe.messaging import ConfigError, FieldError
from chappe.providers.esp import USER_IDENTIFIER
from chappe.providers.payload import Payload, PayloadFailed

OWN = (USER_IDENTIFIER, "email", "phone", "delivery")
"""What every text may mention, whatever the people of the list have."""
NAMING = frozenset({USER_IDENTIFIER, "email"})
_NASTY = "\"quoted\" \\ {{ x }}\n'é'"


class Letter:
    """One text, compiled once. Raises ConfigError."""

    def __init__(self, source: str, delivery_id: int, delivery_name: str) -> None:
        self._payload = Payload(source, "body")
        self._delivery = {"id": delivery_id, "name": delivery_name}

    def __call__(self, attributes: Mapping[str, Any], identifier: str, email: str, phone: str) -> str:
        """The JSON for one person; what a person does not have is null, or nothing within a string. Raises RenderError."""
        own = {USER_IDENTIFIER: identifier, "email": email, "phone": phone, "delivery": self._delivery}
        try:
            return self._payload.render({**attributes, **own}).decode()
        except PayloadFailed as error:
            raise RenderError(str(error)) from None


def letter_errors(source: str, names: Collection[str]) -> list[FieldError]:
    """What is wrong with a text, `names` being the attributes of the people on the list (empty: it may mention anything)."""
    if not source.strip():
        return [FieldError("body", "is needed")]
    try:
        payload = Payload(source, "body")
    except ConfigError as error:
        return list(error.errors)
    mentioned = payload.variables
    known = dict.fromkeys([*(names or mentioned), *OWN], "")
    own = {"delivery": {"id": 1, "name": _NASTY}}
    samples = {
        "a person of whom little is known": own | {USER_IDENTIFIER: "x", "email": "x", "phone": ""},
        "a person of whom much is known": dict.fromkeys(known, _NASTY) | own,
    }
    errors = payload.check(samples, known)
    if mentioned.isdisjoint(NAMING):
        errors.append(
            FieldError("body", f"mentions no {{{{ {USER_IDENTIFIER} }}}}: the provider would not know whom to write to")
        )
    return errors
