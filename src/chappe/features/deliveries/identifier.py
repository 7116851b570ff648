"""A person as an e-mail provider knows them: what `{{ user_identifier }}` becomes in the JSON that is posted to it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from chappe.features.connections.way import Way
from chappe.messaging import ConfigError
from chappe.providers.esp import USER_IDENTIFIER, IdentifierKind, identifier_of
from chappe.providers.registry import spec

if TYPE_CHECKING:
    from chappe.engine.net.verification import Subject

BAD_ADDRESS, NO_IDENTIFIER = "bad_address", "no_identifier"

_PLACEHOLDER = re.compile(r"\{\{\s*" + USER_IDENTIFIER + r"\s*\}\}")


@dataclass(frozen=True)
class Identifier:
    """The setting of an e-mail connection; `attribute` is the one that counts where an attribute does."""

    kind: IdentifierKind
    attribute: str

    @classmethod
    def of(cls, way: Way) -> "Identifier | None":
        """None for a connection that sends no e-mail."""
        if not way.is_email:
            return None
        return cls(IdentifierKind(way.settings.text("identifier_type")), way.settings.text("identifier_attribute"))

    @property
    def is_in_the_address(self) -> bool:
        """Whether the address alone says it, so that nobody has to be looked up."""
        return self.kind in (IdentifierKind.EMAIL, IdentifierKind.HASHED_EMAIL)

    def __call__(
        self, email: str, external_id: str = "", phone: str = "", attributes: Mapping[str, Any] | None = None
    ) -> str:
        """Of one person; "" where it is not known."""
        return identifier_of(self.kind, email, external_id, phone, attributes or {}, self.attribute)


def is_personal(text: str) -> bool:
    return _PLACEHOLDER.search(text) is not None


def with_identifier(text: str, identifier: str) -> str:
    """JSON with a person in it. `text` is JSON already, so the placeholder stands within one of its strings."""
    written = json.dumps(identifier)[1:-1]
    return _PLACEHOLDER.sub(lambda _: written, text)


def for_test(subject: "Subject", recipient: str, text: str) -> str:
    """The text of a test message: an e-mail's JSON with `recipient` in it, who is the person or what they are known by."""
    try:
        way = Way(spec(subject.provider), spec(subject.provider).parse({**subject.settings, **subject.secrets}))
    except ConfigError:
        return text  # settings that cannot be used are found out by the check itself
    identifier = Identifier.of(way)
    if identifier is None:
        return text
    return with_identifier(text, identifier(recipient) if identifier.is_in_the_address else recipient)


def json_problem(text: str) -> str:
    """Why a text is no JSON, without repeating any of it; "" when it is."""
    try:
        msgspec.json.decode(text.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        pass
    else:
        return ""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"is not JSON: line {error.lineno}, column {error.colno}: {error.msg[0].lower()}{error.msg[1:]}"
    except (ValueError, RecursionError):
        pass
    return "is not JSON: it is nested too deep, or has a number that is too long"
