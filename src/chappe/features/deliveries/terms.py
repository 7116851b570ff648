"""How messages go out, as a delivery or a template of deliveries says it: what may be said, and what is wrong with it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import msgspec

from chappe.features.connections.way import Way
from chappe.features.deliveries import analysis
from chappe.features.deliveries.letter import letter_errors
from chappe.features.deliveries.link import problem
from chappe.features.deliveries.options import Options
from chappe.features.deliveries.parameter import rich_errors
from chappe.features.deliveries.template import check
from chappe.messaging import Category, FieldError
from chappe.providers.parameter import ParameterRow, encode_row

SHORTEST_VALIDITY_S, LONGEST_VALIDITY_S = 60, 30 * 86_400
LONGEST_SHORT_CODE = 21
LONGEST_SERVICE_ID = 200
MOST_PARAMETERS = 50
TRANSMISSION_MODES = range(4)
CATEGORIES = (Category.MARKETING, Category.TRANSACTIONAL)
_OPTIONS = ("maximum_segments", "service_id", "follow_links")
_COLUMNS = ("category", "sender", "body", "short_code", "validity_s")


class Written(Protocol):
    """A row that keeps terms."""

    category: int
    sender: str
    body: str
    options: Any
    short_code: str
    validity_s: int


@dataclass(frozen=True)
class Terms:
    """What is to be said anew; None leaves it as it is. `tlvs` are rows as `ParameterRow` has them.

    `transmission_mode` None is not sent, `content` None is the text alone; UNSET leaves these two as they are.
    """

    category: int | None = None
    sender: str | None = None
    body: str | None = None
    short_code: str | None = None
    validity_s: int | None = None
    maximum_segments: int | None = None
    transmission_mode: int | msgspec.UnsetType | None = msgspec.UNSET
    service_id: str | None = None
    tlvs: Sequence[Mapping[str, Any]] | None = None
    content: Mapping[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    follow_links: bool | None = None

    def said(self) -> dict[str, Any]:
        """What is given, by its name."""
        unset = {"transmission_mode": msgspec.UNSET, "content": msgspec.UNSET}
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value is not unset.get(name)}


def terms_of(row: Written) -> dict[str, Any]:
    """All that a row says, as `Terms` names it."""
    options = Options.of(row)
    return {
        **{name: getattr(row, name) for name in _COLUMNS},
        "maximum_segments": options.maximum_segments,
        "transmission_mode": options.transmission_mode,
        "service_id": options.service_id,
        "tlvs": [msgspec.to_builtins(one) for one in options.tlvs],
        "content": options.content,
        "follow_links": options.follow_links,
    }


def apply_terms(row: Written, terms: Terms) -> list[FieldError]:
    """Write them into the row, unsaved; what of them cannot be written."""
    errors: list[FieldError] = []
    for name in _COLUMNS:
        if (value := getattr(terms, name)) is not None:
            setattr(row, name, value)
    row.options = _options(Options.of(row), terms, errors).kept()
    return errors


def terms_errors(
    row: Written, way: Way | None, attributes: Collection[str], *, is_text_needed: bool = True
) -> list[FieldError]:
    """What is wrong with what a row says, where it goes out by `way` (None: not known yet) to people with these attributes
    (none: it may mention anything)."""
    names = [*attributes, *analysis.OWN] if attributes else []
    options = Options.of(row)
    errors = _row_errors(row, way, attributes, names) + _option_errors(row, options, way, names)
    if not is_text_needed and not row.body.strip():
        errors = [one for one in errors if one.field != "body"]
    return errors


def _options(old: Options, terms: Terms, errors: list[FieldError]) -> Options:
    changed: dict[str, Any] = {name: value for name in _OPTIONS if (value := getattr(terms, name)) is not None}
    if terms.transmission_mode is not msgspec.UNSET:
        changed["transmission_mode"] = terms.transmission_mode
    if terms.content is not msgspec.UNSET:
        changed["content"] = terms.content or None
    if terms.tlvs is not None:
        changed["tlvs"] = _parameter_rows(terms.tlvs, errors)
    return msgspec.structs.replace(old, **changed)


def _parameter_rows(rows: Sequence[Mapping[str, Any]], errors: list[FieldError]) -> tuple[ParameterRow, ...]:
    result = []
    for index, row in enumerate(rows[:MOST_PARAMETERS]):
        try:
            result.append(msgspec.convert(dict(row), ParameterRow))
        except msgspec.ValidationError as error:
            errors.append(FieldError(f"tlvs[{index}]", str(error)))
    if len(rows) > MOST_PARAMETERS:
        errors.append(FieldError("tlvs", f"must be at most {MOST_PARAMETERS}"))
    return tuple(result)


def _body_errors(row: Written, way: Way | None, attributes: Collection[str], names: Sequence[str]) -> list[FieldError]:
    if way is not None and way.is_email:
        return letter_errors(row.body, attributes)
    errors = check(row.body, names, "body")
    return errors if row.body.strip() else [*errors, FieldError("body", "is needed")]


def _row_errors(row: Written, way: Way | None, attributes: Collection[str], names: Sequence[str]) -> list[FieldError]:
    errors = _body_errors(row, way, attributes, names)
    if row.category not in CATEGORIES:
        errors.append(FieldError("category", "must be marketing or transactional"))
    if way is not None and (problem := way.sender_problem(row.sender)):
        errors.append(FieldError("sender", problem))
    if len(row.short_code) > LONGEST_SHORT_CODE:
        errors.append(FieldError("short_code", f"must have at most {LONGEST_SHORT_CODE} characters"))
    if not SHORTEST_VALIDITY_S <= row.validity_s <= LONGEST_VALIDITY_S:
        errors.append(FieldError("validity_s", f"must be from {SHORTEST_VALIDITY_S} to {LONGEST_VALIDITY_S}"))
    return errors


def _option_errors(row: Written, options: Options, way: Way | None, names: Sequence[str]) -> list[FieldError]:
    errors: list[FieldError] = []
    if not 0 <= options.maximum_segments <= 255:
        errors.append(FieldError("maximum_segments", "must be from 0 (no limit) to 255"))
    if options.transmission_mode is not None and options.transmission_mode not in TRANSMISSION_MODES:
        errors.append(FieldError("transmission_mode", "must be from 0 to 3, or null: not sent"))
    if len(options.service_id) > LONGEST_SERVICE_ID:
        errors.append(FieldError("service_id", f"must have at most {LONGEST_SERVICE_ID} characters"))
    if options.service_id and options.tlvs:
        errors.append(FieldError("service_id", "excludes optional SMPP parameters: give one or the other"))
    elif options.service_id and way is not None and not way.has_service_tag:
        errors.append(FieldError("service_id", "cannot be sent: the connection has no service id tag"))
    if options.tlvs and way is not None and not way.has_parameters:
        errors.append(FieldError("tlvs", "cannot be sent: they are for SMPP"))
    if options.transmission_mode is not None and way is not None and not way.has_transmission_modes:
        errors.append(FieldError("transmission_mode", "cannot be sent: the connection's provider has none"))
    if options.follow_links and way is not None and (wrong := problem(way)):
        errors.append(FieldError("follow_links", wrong))
    if options.content is not None and way is not None and way.is_email:
        errors.append(FieldError("content", "is for RCS and MMS; the connection sends e-mail"))
    elif options.content is not None:
        errors += rich_errors(options.content, row.body, names)
    for index, one in enumerate(options.tlvs):
        errors += _parameter_errors(f"tlvs[{index}]", one, names)
    return errors


def _parameter_errors(path: str, row: ParameterRow, names: Sequence[str]) -> list[FieldError]:
    if errors := check(row.value, names, f"{path}.value"):
        return errors
    # A value that mentions the person can only be encoded for that person; without it, the tag is still looked at.
    value = "" if "{" in row.value else row.value
    try:
        encode_row(msgspec.structs.replace(row, value=value))
    except ValueError as error:
        return [FieldError(path, str(error))]
    return []
