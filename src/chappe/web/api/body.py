"""How the API reads requests: JSON and query strings that a database can keep, or a problem that names the field."""

import json
from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from ninja.errors import HttpError
from ninja.parser import Parser
from ninja.types import DictStrAny

from chappe.features.refusal import InvalidInput
from chappe.messaging import FieldError


class BodyParser(Parser):
    """Refuses what is JSON and yet no text: U+0000, which PostgreSQL cannot keep, and halves of surrogate pairs."""

    def parse_body(self, request: HttpRequest) -> DictStrAny:
        try:
            value = json.loads(request.body.decode("utf-8"), parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise HttpError(400, "The body is not JSON in UTF-8.") from None
        if not isinstance(value, dict):
            raise HttpError(400, "The body must be a JSON object.")
        _check(value)
        return value

    def parse_querydict(
        self, data: MultiValueDict[str, Any], list_fields: list[str], request: HttpRequest
    ) -> DictStrAny:
        values = super().parse_querydict(data, list_fields, request)
        _check(values)
        return values


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _check(value: DictStrAny) -> None:
    errors = [FieldError(path, "must be text without U+0000 and lone surrogates") for path in _unusable(value, "")]
    if errors:
        raise InvalidInput(errors)


def _unusable(value: object, path: str) -> Iterator[str]:
    if isinstance(value, str):
        if not _is_text(value):
            yield path
    elif isinstance(value, dict):
        for name, item in value.items():
            if _is_text(name):
                yield from _unusable(item, f"{path}.{name}" if path else name)
            else:
                yield path
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unusable(item, f"{path}[{index}]")


def _is_text(value: str) -> bool:
    return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
