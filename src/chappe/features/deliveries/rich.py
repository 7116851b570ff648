"""Content of RCS and MMS as a form has it, and the other way round."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

CONTENT_FIELDS: Mapping[str, Sequence[str]] = {
    "text": ("rich_text",),
    "media": ("media_url", "thumbnail_url"),
    "card": ("title", "description", "media_url", "thumbnail_url"),
    "carousel": ("width", "media_height"),
    "location": ("latitude", "longitude", "place_name"),
    "mms": ("title", "media_url"),
}
"""What each kind has, by the names of the form's fields."""
SUGGESTING = ("text", "media", "card", "carousel")
KINDS: list[tuple[str, str | Promise]] = [
    ("", _("None: the text alone")),
    ("text", _("Text with suggestions (RCS)")),
    ("media", _("Picture, film or file (RCS)")),
    ("card", _("Card (RCS)")),
    ("carousel", _("Several cards side by side (RCS)")),
    ("location", _("Place (RCS)")),
    ("mms", _("MMS")),
    ("kept", _("As it is: made by a program, and more than this form can show")),
]
_PATH = re.compile(r"content(?:\.(?P<table>cards|suggestions)\[(?P<index>\d+)\])?(?:\.media)?(?:\.(?P<name>\w+))?.*")
_NAMES = {"text": "rich_text", "url": "media_url", "name": "place_name"}


class ContentFields(forms.Form):
    """What goes to phones that can show more than a text."""

    kind = forms.ChoiceField(
        label=_("Rich content"),
        required=False,
        choices=KINDS,
        help_text=_("Phones that cannot show it get the text above, which is needed in any case."),
    )
    rich_text = forms.CharField(
        label=_("Rich text"),
        required=False,
        max_length=10_000,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("Up to 3,072 characters."),
    )
    title = forms.CharField(label=_("Title"), required=False, max_length=200)
    description = forms.CharField(
        label=_("Description"), required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3})
    )
    media_url = forms.CharField(
        label=_("Picture, film or file"),
        required=False,
        max_length=2000,
        help_text=_("Its public address, which begins with https://."),
    )
    thumbnail_url = forms.CharField(
        label=_("Picture that stands for a film"), required=False, max_length=2000, help_text=_("Its public address.")
    )
    width = forms.ChoiceField(
        label=_("Width of the cards"),
        required=False,
        initial="medium",
        choices=[("small", _("Small")), ("medium", _("Medium"))],
    )
    media_height = forms.ChoiceField(
        label=_("Height of the pictures"),
        required=False,
        initial="medium",
        choices=[("short", _("Short")), ("medium", _("Medium")), ("tall", _("Tall"))],
    )
    latitude = forms.FloatField(label=_("Latitude"), required=False, min_value=-90, max_value=90)
    longitude = forms.FloatField(label=_("Longitude"), required=False, min_value=-180, max_value=180)
    place_name = forms.CharField(label=_("Name of the place"), required=False, max_length=200)


def content_of(
    cleaned: Mapping[str, Any], suggestions: Sequence[Mapping[str, Any]], cards: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """The content that a form's values make; None where no kind is chosen."""
    kind = cleaned.get("kind") or ""
    if kind not in CONTENT_FIELDS:
        return None
    made: dict[str, Any] = {"type": kind}
    match kind:
        case "text":
            made["text"] = _text(cleaned, "rich_text")
        case "media":
            made |= _media(_text(cleaned, "media_url"), _text(cleaned, "thumbnail_url"))
        case "card":
            made |= _card(cleaned, "media_url")
        case "carousel":
            made |= {name: cleaned.get(name) or "medium" for name in ("width", "media_height")}
            made["cards"] = [
                {"type": "card", **_card(one, "url")} for one in cards if any(_text(one, name) for name in one)
            ]
        case "location":
            made |= {name: cleaned.get(name) for name in ("latitude", "longitude")}
            made["name"] = _text(cleaned, "place_name")
        case "mms":
            made |= {"title": _text(cleaned, "title"), "url": _text(cleaned, "media_url")}
    if kind in SUGGESTING and (found := [_suggestion(one) for one in suggestions if _text(one, "text")]):
        made["suggestions"] = found
    return made


def _text(values: Mapping[str, Any], name: str) -> str:
    return str(values.get(name) or "").replace("\r\n", "\n")


def _media(url: str, thumbnail_url: str) -> dict[str, Any]:
    return {"url": url, **({"thumbnail_url": thumbnail_url} if thumbnail_url else {})}


def _card(values: Mapping[str, Any], url_name: str) -> dict[str, Any]:
    made: dict[str, Any] = {name: value for name in ("title", "description") if (value := _text(values, name))}
    if url := _text(values, url_name):
        made["media"] = {"type": "media", **_media(url, _text(values, "thumbnail_url"))}
    return made


def _suggestion(row: Mapping[str, Any]) -> dict[str, Any]:
    kind, value = row.get("kind") or "reply", _text(row, "value").strip()
    made: dict[str, Any] = {"type": kind, "text": _text(row, "text")}
    match kind:
        case "reply" if value:
            made["postback"] = value
        case "open_url":
            made["url"] = value
        case "dial":
            made["number"] = value
        case "show_location":
            latitude, longitude, name = (*(part.strip() for part in value.split(",", 2)), "", "", "")[:3]
            made |= {"latitude": _degrees(latitude), "longitude": _degrees(longitude)} | (
                {"name": name} if name else {}
            )
    return made


def _degrees(text: str) -> float | str:
    """What is no number is said to be none by who reads the content."""
    try:
        return float(text)
    except ValueError:
        return text


def initial_of(content: Mapping[str, Any] | None) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """A form's values, and the rows of its tables, for a content; of one that the form cannot show only that it is kept."""
    if not content:
        return {}, {}
    kind = str(content.get("type", ""))
    values: dict[str, Any] = {"kind": kind}
    media = content.get("media") or {}
    match kind:
        case "text":
            values["rich_text"] = content.get("text", "")
        case "media":
            values |= {"media_url": content.get("url", ""), "thumbnail_url": content.get("thumbnail_url", "")}
        case "card":
            values |= {"title": content.get("title", ""), "description": content.get("description", "")}
            values |= {"media_url": media.get("url", ""), "thumbnail_url": media.get("thumbnail_url", "")}
        case "carousel":
            values |= {name: content.get(name, "medium") for name in ("width", "media_height")}
        case "location":
            values |= {name: content.get(name) for name in ("latitude", "longitude")}
            values["place_name"] = content.get("name", "")
        case "mms":
            values |= {"title": content.get("title", ""), "media_url": content.get("url", "")}
    rows = {
        "suggestions": [_suggestion_row(one) for one in content.get("suggestions", ())],
        "cards": [_card_row(one) for one in content.get("cards", ())],
    }
    if _plain(content_of(values, rows["suggestions"], rows["cards"])) != _plain(content):
        return {"kind": "kept"}, {}
    return values, rows


def _suggestion_row(one: Mapping[str, Any]) -> dict[str, Any]:
    place = ", ".join(str(one[name]) for name in ("latitude", "longitude", "name") if one.get(name) not in (None, ""))
    value = one.get("postback") or one.get("url") or one.get("number") or place
    return {"kind": one.get("type", "reply"), "text": one.get("text", ""), "value": value}


def _card_row(one: Mapping[str, Any]) -> dict[str, Any]:
    media = one.get("media") or {}
    return {
        "title": one.get("title", ""),
        "description": one.get("description", ""),
        "url": media.get("url", ""),
        "thumbnail_url": media.get("thumbnail_url", ""),
    }


def _plain(part: Any) -> Any:
    """A content without what goes without saying, so that two spellings of the same compare as one."""
    match part:
        case Mapping():
            kept = {name: _plain(one) for name, one in part.items()}
            return {name: one for name, one in kept.items() if one not in (None, "", [], {}, "medium", "card", "media")}
        case list() | tuple():
            return [_plain(one) for one in part]
    return part


def place_of(field: str, kind: str) -> tuple[str, int, str | None]:
    """Where an error of a content stands in a form: the table and its row ("" is none), and the field."""
    found = _PATH.fullmatch(field)
    if found is None:
        return "", 0, "kind"
    name = found["name"] or ""
    if found["table"] == "suggestions":
        return "suggestions", int(found["index"]), "text" if name == "text" else "value"
    if found["table"] == "cards":
        return "cards", int(found["index"]), name if name in ("title", "description", "thumbnail_url") else "url"
    name = _NAMES.get(name, name)
    return "", 0, name if name in CONTENT_FIELDS.get(kind, ()) else "kind"
