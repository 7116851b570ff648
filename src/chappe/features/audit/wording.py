"""What is in the trail, in words that people read."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from chappe.features.accounts.right import LABELS, ROLE_LABELS
from chappe.features.audit.models import AuditEvent
from chappe.features.audit.value import HIDDEN
from chappe.features.words import localised
from chappe.messaging import Category
from chappe.providers.contract import Setting
from chappe.providers.registry import PROVIDERS

Words = str | Promise

ACTORS: Mapping[str, Words] = {
    "person": _("Person"),
    "key": _("API key"),
    "operator": _("Operator"),
    "command": _("Command line"),
    "system": _("Chappe itself"),
}

ACTIONS: Mapping[str, Words] = {
    "create": pgettext_lazy("audit", "Created"),
    "change": pgettext_lazy("audit", "Changed"),
    "delete": pgettext_lazy("audit", "Deleted"),
    "replace": pgettext_lazy("audit", "Replaced"),
    "revert": pgettext_lazy("audit", "Former settings brought back"),
    "rotate": pgettext_lazy("audit", "Secret renewed"),
    "reseal": pgettext_lazy("audit", "Encrypted under a new key"),
    "revoke": pgettext_lazy("audit", "Revoked"),
    "verify": pgettext_lazy("audit", "Verified"),
    "try": pgettext_lazy("audit", "Settings tried"),
    "test": pgettext_lazy("audit", "Test call made"),
    "replay": pgettext_lazy("audit", "Calls made again"),
    "qualify": pgettext_lazy("audit", "Qualified"),
    "import": pgettext_lazy("audit", "File imported"),
    "add_people": pgettext_lazy("audit", "People put on it"),
    "remove_people": pgettext_lazy("audit", "People taken off"),
    "erase": pgettext_lazy("audit", "Erased"),
    "give": pgettext_lazy("audit", "Consent given"),
    "withdraw": pgettext_lazy("audit", "Consent withdrawn"),
    "release": pgettext_lazy("audit", "Released"),
    "quarantine": pgettext_lazy("audit", "Quarantine of numbers taken over"),
    "mend": pgettext_lazy("audit", "Mended"),
    "hand_over": pgettext_lazy("audit", "Handed over again"),
    "analyse": pgettext_lazy("audit", "Analysed"),
    "revise": pgettext_lazy("audit", "Back to draft"),
    "proof": pgettext_lazy("audit", "Test messages sent"),
    "send": pgettext_lazy("audit", "Sent"),
    "pause": pgettext_lazy("audit", "Paused"),
    "resume": pgettext_lazy("audit", "Resumed"),
    "cancel": pgettext_lazy("audit", "Cancelled"),
    "answer": pgettext_lazy("audit", "Answered"),
    "download": pgettext_lazy("audit", "Downloaded"),
    "password_link": pgettext_lazy("audit", "Password link made"),
}

TONES: Mapping[str, str] = {
    "create": "good",
    "delete": "bad",
    "erase": "bad",
    "revoke": "bad",
    "cancel": "warn",
    "withdraw": "warn",
    "send": "info",
}

SUBJECTS: Mapping[str, Words] = {
    "connection": _("Connection"),
    "error": _("Error"),
    "hook": _("Hook"),
    "callback": _("Callback"),
    "list": _("List"),
    "contact": _("Contact"),
    "quarantine": _("Quarantine"),
    "consent": _("Consent"),
    "delivery": _("Delivery"),
    "template": _("Delivery template"),
    "test_number": _("Test number"),
    "trace": _("Trace"),
    "relay": _("Account of another installation"),
    "conversation": _("Conversation"),
    "settings": _("Settings"),
    "organisation": _("Organisation"),
    "person": _("Person"),
    "group": _("Group of people"),
    "invitation": _("Invitation"),
    "second_factor": _("Second factor"),
    "operator": _("Operator"),
    "key": _("API key"),
}

PAGES: Mapping[str, str] = {
    "connection": "connections:overview",
    "hook": "hooks:hook",
    "callback": "callbacks:callback",
    "list": "contacts:list",
    "contact": "contacts:person",
    "delivery": "deliveries:delivery",
    "relay": "relay:account",
    "template": "templates:template",
    "person": "accounts:person",
    "group": "accounts:group",
    "operator": "keys:operator",
    "conversation": "inbox:conversation",
}
"""Where a subject is shown, by its id."""

FIELDS: Mapping[str, Words] = {
    "name": _("Name"),
    "label": _("Label"),
    "internal_name": _("Internal name"),
    "login": _("Login"),
    "provider": _("Provider"),
    "is_enabled": _("Switched on"),
    "is_active": _("May sign in"),
    "is_superuser": _("Administers the installation"),
    "is_usable": _("Could be used"),
    "is_test_sent": _("Test message sent"),
    "position": _("Position in the list"),
    "replaced_by": _("Replaced by connection no."),
    "connection_id": _("Connection no."),
    "contact_list_id": _("List no."),
    "operator_id": _("Operator no."),
    "organisation_id": _("Organisation no."),
    "import_id": _("Import no."),
    "filename": _("File"),
    "phone_column": _("Column of numbers"),
    "default_region": _("Country of numbers"),
    "encoding": _("Encoding"),
    "delimiter": _("Delimiter"),
    "people": pgettext_lazy("how many", "People"),
    "calls": pgettext_lazy("how many", "Calls"),
    "kind": _("Kind"),
    "status": _("Status"),
    "reason": _("Reason"),
    "error_count": _("Errors"),
    "channel": _("Channel"),
    "short_code": _("Short code"),
    "sender": _("Sender"),
    "source": _("Came by"),
    "sender_number": _("Number that people write to"),
    "keywords": _("Keywords"),
    "rules": _("Rule"),
    "category": _("Category"),
    "reply": _("Reply"),
    "near_miss_reply": _("Reply to near misses"),
    "payload": _("Sample of a call"),
    "statuses": _("Statuses"),
    "proof": _("Proof"),
    "user": _("User"),
    "header": _("Header"),
    "hash": _("Hash"),
    "is_base64": _("In Base64"),
    "timestamp_header": _("Header of the time"),
    "secret": _("Secret"),
    "token": _("Token"),
    "url": _("Address"),
    "push_url": _("Address"),
    "query": _("what follows the question mark"),
    "events": _("Events"),
    "allowed_networks": _("Allowed networks"),
    "operator": _("Operator"),
    "delivery": _("Delivery no."),
    "body": _("Text"),
    "options": _("Options"),
    "content": _("Content"),
    "maximum_segments": _("Most segments"),
    "transmission_mode": _("Transmission mode"),
    "service_id": _("Service id"),
    "follow_links": _("Follow links"),
    "tlvs": _("Optional parameters"),
    "validity_s": _("Validity in seconds"),
    "external_id": _("External id"),
    "phone": _("Number"),
    "email": _("E-mail address"),
    "username": _("Name to sign in with"),
    "first_name": _("First name"),
    "last_name": _("Last name"),
    "password": _("Password"),
    "role": _("Role"),
    "withheld": _("Rights withheld"),
    "scopes": _("Allowed to"),
    "attributes": _("Attribute"),
    "revoked_ms": _("Revoked at"),
    "used_ms": _("Used at"),
    "expires_ms": _("Good until"),
    "minutes": _("Minutes"),
    "one_number": _("Of one number only"),
    "is_running": _("Running"),
    "is_open": pgettext_lazy("a conversation", "Open"),
    "assignee_id": _("Assigned to person no."),
    "form": _("Format"),
    "messages": pgettext_lazy("how many", "Messages"),
    "address": _("Number or address"),
    "settings": _("Settings"),
    "type": _("Type"),
    "data": _("Data"),
    "columns": _("Columns"),
    "message": _("Message no."),
    "language": _("Language"),
    "region": _("Country of numbers"),
    "time_zone": _("Time zone"),
    "quiet_periods": _("Quiet hours"),
    "quiet_action": _("What happens in quiet hours"),
    "retention": _("Days that records are kept"),
    "unknown_error_kind": _("Errors that nobody has qualified"),
}

VALUES: Mapping[str, Words] = {
    "draft": pgettext_lazy("audit", "draft"),
    "analysing": pgettext_lazy("audit", "being analysed"),
    "ready": pgettext_lazy("audit", "ready"),
    "sending": pgettext_lazy("audit", "being sent"),
    "paused": pgettext_lazy("audit", "paused"),
    "finished": pgettext_lazy("audit", "finished"),
    "cancelled": pgettext_lazy("audit", "cancelled"),
    "failed": pgettext_lazy("audit", "failed"),
    "deleting": pgettext_lazy("audit", "being deleted"),
    "with_errors": pgettext_lazy("audit", "with errors"),
    "quarantine": pgettext_lazy("audit", "in quarantine"),
    "denylisted": pgettext_lazy("audit", "denylisted"),
    "valid": pgettext_lazy("audit", "valid"),
    "to_qualify": pgettext_lazy("audit", "to qualify"),
    "keep": pgettext_lazy("audit", "kept"),
    "ignore": pgettext_lazy("audit", "ignored"),
    "hard": pgettext_lazy("audit", "hard"),
    "soft": pgettext_lazy("audit", "soft"),
    "ignored": pgettext_lazy("audit", "ignored"),
    "send": pgettext_lazy("audit", "send messages"),
    "read": pgettext_lazy("audit", "read data"),
    "manage": pgettext_lazy("audit", "manage"),
    "administration": pgettext_lazy("audit", "ADMINISTRATION"),
    "replies": pgettext_lazy("audit", "automatic replies"),
    "inbound": pgettext_lazy("audit", "texts from phones"),
    "feedback": pgettext_lazy("audit", "delivery receipts"),
    **{str(name): label for name, label in ROLE_LABELS.items()},
    **{str(name): label for name, label in LABELS.items()},
}
SPOKEN = {"status", "kind", "scopes", "role", "withheld"}
"""Fields whose values are words of ours."""
CATEGORIES: Mapping[int, Words] = {
    int(Category.MARKETING): pgettext_lazy("audit", "marketing"),
    int(Category.TRANSACTIONAL): pgettext_lazy("audit", "transactional"),
}
CHANGES: Mapping[str, Words] = {
    "set": pgettext_lazy("audit", "set"),
    "changed": pgettext_lazy("audit", "changed"),
    "removed": pgettext_lazy("audit", "removed"),
}

_STEP = re.compile(r"([^\[]*)(?:\[(.*)\])?")


@dataclass(frozen=True)
class Shown:
    """A value for a page: words, or an instant (`at_ms`), or that it is not shown (`is_hidden`)."""

    text: str = ""
    at_ms: int = 0
    is_hidden: bool = False

    @property
    def is_there(self) -> bool:
        return bool(self.text or self.at_ms)


@dataclass(frozen=True)
class Line:
    """A field with what it was and what it is."""

    label: str
    before: Shown
    after: Shown

    @property
    def only(self) -> Shown:
        """Where one of both is all there is."""
        return self.after if self.after.is_there else self.before


@dataclass(frozen=True)
class Told:
    """An event in words."""

    row: AuditEvent
    lines: Sequence[Line]

    @property
    def actor_kind(self) -> Words:
        return ACTORS.get(self.row.actor_kind, self.row.actor_kind)

    @property
    def actor(self) -> str:
        return self.row.actor_name or str(self.actor_kind)

    @property
    def action(self) -> Words:
        return ACTIONS.get(self.row.action) or _plain(self.row.action)

    @property
    def tone(self) -> str:
        return TONES.get(self.row.action, "mute")

    @property
    def subject_kind(self) -> Words:
        return SUBJECTS.get(self.row.subject_kind) or _plain(self.row.subject_kind)

    @property
    def subject(self) -> str:
        """Its name; else its number."""
        return self.row.subject_name or (
            gettext("no. %(id)s") % {"id": self.row.subject_id} if self.row.subject_id else ""
        )

    @property
    def url(self) -> str:
        """Where the subject is shown; "" where it is not any more, or has no page."""
        is_gone = self.row.action in ("delete", "erase")
        return "" if is_gone or not self.row.subject_id else _page(self.row.subject_kind, self.row.subject_id)

    @property
    def has_both(self) -> bool:
        """Whether something was before, and something is after."""
        shown = [line for line in self.lines if not line.after.is_hidden]
        return any(line.before.is_there for line in shown) and any(line.after.is_there for line in shown)

    @property
    def fields(self) -> str:
        """The first of them, for a list."""
        labels = list(dict.fromkeys(line.label for line in self.lines))
        rest = len(labels) - MOST_NAMED
        named = ", ".join(labels[:MOST_NAMED])
        return gettext("%(fields)s and %(count)s more") % {"fields": named, "count": rest} if rest > 0 else named


MOST_NAMED = 3


def told(event: AuditEvent) -> Told:
    paths = sorted({*event.before, *event.after})
    return Told(event, [_line(path, event.before.get(path), event.after.get(path)) for path in paths])


def label_of(path: str) -> str:
    """`settings.headers[2].value` as "Headers 2: Value"."""
    first, _dot, rest = path.partition(".")
    if first == "settings" and rest:
        name, index = _step(rest.partition(".")[0])
        setting = _settings().get(name)
        inner = rest.partition(".")[2]
        column = next((one for one in setting.columns if one.name == inner), None) if setting is not None else None
        labels = [_numbered(_setting_label(setting, name), index)]
        return ": ".join([*labels, *([_setting_label(column, inner)] if inner else [])])
    return ": ".join(_labels(path))


def _labels(path: str) -> Iterator[str]:
    for place, part in enumerate(path.split(".")):
        name, index = _step(part)
        # Below the first step are names that people gave, as those of attributes.
        known = FIELDS.get(name)
        yield _numbered(str(known) if known is not None else _plain(name) if place == 0 else name, index)


def _step(part: str) -> tuple[str, str]:
    found = _STEP.fullmatch(part)
    return (found[1], found[2] or "") if found else (part, "")


def _numbered(label: str, index: str) -> str:
    return f"{label} {index}" if index else label


def _setting_label(setting: Setting | None, name: str) -> str:
    return localised(setting.label) if setting is not None and setting.label else _plain(name)


@cache
def _settings() -> dict[str, Setting]:
    """Every setting of every provider; those of one name mean the same."""
    return {setting.name: setting for spec in reversed(list(PROVIDERS.values())) for setting in spec.settings}


def _plain(name: str) -> str:
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _line(path: str, before: object, after: object) -> Line:
    return Line(label_of(path), _shown(path, before), _shown(path, after))


def _shown(path: str, value: object) -> Shown:
    name = path.rpartition(".")[2]
    match value:
        case None:
            return Shown()
        case dict():
            how = str(value.get(HIDDEN, ""))
            return Shown(str(CHANGES.get(how, how)), is_hidden=True)
        case int() if path.endswith("_ms") and not isinstance(value, bool):
            return Shown(at_ms=value)
        case int() if path == "category" and not isinstance(value, bool):
            return Shown(str(CATEGORIES.get(value, value)))
    return Shown(_word(name, value))


def _word(name: str, value: object) -> str:
    match value:
        case bool():
            return gettext("yes") if value else gettext("no")
        case list():
            return ", ".join(_word(name, item) for item in value)
        case str() if name in SPOKEN:
            return str(VALUES.get(value, value))
        case str() if name == "provider" and value in PROVIDERS:
            return PROVIDERS[value].label
    return str(value)


def _page(kind: str, subject_id: int) -> str:
    try:
        return reverse(PAGES[kind], args=[subject_id]) if kind in PAGES else ""
    except NoReverseMatch:
        return ""
