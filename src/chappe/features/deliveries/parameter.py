"""What a message is sent with beside its text: the same for all, unless something in it mentions the person."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from chappe.features.connections.way import Way
from chappe.features.deliveries.link import followed_base
from chappe.features.deliveries.options import Options
from chappe.features.deliveries.template import RenderError, Template, check
from chappe.messaging import FieldError, MessageOptions
from chappe.messaging.content import Content, Mms, RichText
from chappe.messaging.content import check as content_errors
from chappe.providers.parameter import ParameterRow, encode_row

_PROFILE = re.compile(r"\bprofile\b(?:\.(?P<name>[^\W\d]\w*))?")
_DELIVERY = re.compile(r"\bdelivery\b")
_encode = msgspec.json.Encoder().encode


class Rich:
    """Content of RCS or MMS whose texts and addresses may mention the person."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content
        self._templates = {text: Template(text) for text in _texts(content)}
        self.is_personal = any(not template.is_constant for template in self._templates.values())

    @property
    def kind(self) -> Content:
        """As it would be for nobody: an MMS or not."""
        return Mms("", "") if self._content.get("type") == "mms" else RichText("")

    def __call__(self, values: Mapping[str, Any], body: str) -> Content:
        """For one person. Raises RenderError where it cannot be made of what is known of them."""
        made = self._made(values)
        if errors := content_errors(made, body):
            raise RenderError(f"{errors[0].field} {errors[0].message}")
        return made

    def _made(self, values: Mapping[str, Any]) -> Content:
        made: Content = msgspec.convert(self._rendered(self._content, values), Content)
        return made

    def _rendered(self, part: Any, values: Mapping[str, Any]) -> Any:
        match part:
            case str():
                return self._templates[part].render(values)
            case list() | tuple():
                return [self._rendered(one, values) for one in part]
            case dict():
                return {name: self._rendered(one, values) for name, one in part.items()}
        return part


def rich_errors(content: Mapping[str, Any], body: str, names: Sequence[str]) -> list[FieldError]:
    """What is wrong with a content as it is typed, `names` being what it may mention (empty: anything)."""
    for text in _texts(content):
        if errors := check(text, names, "content"):
            return errors
    rich = Rich(content)
    variables = {name for text in _texts(content) for name in Template(text).variables}
    try:
        made = rich._made(dict.fromkeys(variables, "x"))
    except RenderError as error:
        return [FieldError("content", str(error))]
    except msgspec.ValidationError as error:
        words, _, place = str(error).partition(" - at `$")
        return [FieldError(f"content{place.rstrip('`')}", words[:1].lower() + words[1:])]
    return content_errors(made, body)


def _texts(part: Any) -> Iterator[str]:
    match part:
        case str():
            yield part
        case list() | tuple():
            for one in part:
                yield from _texts(one)
        case dict():
            for one in part.values():
                yield from _texts(one)


class Told:
    """What a custom provider's payload, and its headers, say of the person and of the delivery."""

    def __init__(self, way: Way) -> None:
        sources = [str(way.settings.get("payload", ""))] if "payload" in way.settings else []
        if sources:
            sources += [row.text("value") for row in way.settings.rows("headers") if row.text("type") == "template"]
        found = [name for source in sources for name in _PROFILE.findall(source)]
        self.tells_profile = bool(found)
        # One that is mentioned as a whole is told as a whole.
        self._names = frozenset(found) if "" not in found else None
        self.tells_delivery = any(_DELIVERY.search(source) for source in sources)

    def profile(self, values: Mapping[str, Any]) -> dict[str, str]:
        """The attributes of one person, as texts."""
        names = values.keys() if self._names is None else self._names & values.keys()
        return {name: _written(values[name]) for name in sorted(names) if values[name] is not None}


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class Parameters:
    """Makes the options of each message, as the store keeps them. Raises ConfigError where links cannot be followed."""

    def __init__(self, options: Options, way: Way, short_code: str, delivery_name: str) -> None:
        told = Told(way)
        self._told = told if told.tells_profile else None
        self._rich = Rich(options.content) if options.content and way.carries(options.content) else None
        self._base = MessageOptions(
            transmission_mode=options.transmission_mode,
            maximum_segments=options.maximum_segments,
            service_id=options.service_id,
            short_code=short_code,
            delivery_name=delivery_name if told.tells_delivery else "",
            link_base=followed_base(options, way),
        )
        self._rows = [(row, Template(row.value)) for row in options.tlvs]
        is_personal = any(not template.is_constant for _, template in self._rows)
        self.is_personal = is_personal or self._told is not None or self._rich is not None
        self._same = None if self.is_personal else self._encoded({}, {}, "")

    @property
    def link_base(self) -> str:
        """What addresses of a text begin with as it goes out; "" where they stay as they are."""
        return self._base.link_base

    @property
    def sample(self) -> Content | None:
        """Something of the kind of content that goes out."""
        return None if self._rich is None else self._rich.kind

    @property
    def has_content(self) -> bool:
        """Whether something beside the text goes out, which is then counted as one."""
        return self._rich is not None

    def options(self, values: Mapping[str, Any], attributes: Mapping[str, Any], body: str) -> bytes | None:
        """Of one message; `values` is what a text may mention. Raises RenderError for what the parameters cannot hold."""
        return self._encoded(values, attributes, body) if self.is_personal else self._same

    def _encoded(self, values: Mapping[str, Any], attributes: Mapping[str, Any], body: str) -> bytes | None:
        options = msgspec.structs.replace(
            self._base,
            tlvs=tuple(self._tlvs(values)),
            content=None if self._rich is None else self._rich(values, body),
            profile=None if self._told is None else self._told.profile(attributes),
        )
        return None if options == MessageOptions() else _encode(options)

    def _tlvs(self, values: Mapping[str, Any]) -> Iterator[Any]:
        for row, template in self._rows:
            rendered: ParameterRow = msgspec.structs.replace(row, value=template.render(values))
            try:
                tlv = encode_row(rendered)
            except ValueError as error:
                raise RenderError(f"{row.label or row.tag}: {error}") from None
            if tlv is not None:
                yield tlv
