"""The console's menu: what there is, for whom, in the order people look for it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from chappe.features.accounts.person import Person
from chappe.features.accounts.right import Right
from chappe.features.relay.picture import has_mid


@dataclass(frozen=True)
class Entry:
    """A line of the menu. `prefix` is what the addresses of its pages begin with; it is shown to those with `right`."""

    label: str | Promise
    url: str
    icon: str
    prefix: str
    right: Right | None = None
    is_of_use: Callable[[int], bool] | None = None
    """Whether an organisation has something of the kind; None: the line is always there."""

    def is_for(self, person: Person) -> bool:
        is_allowed = self.right is None or person.may(self.right)
        return is_allowed and (self.is_of_use is None or self.is_of_use(person.organisation_id))

    def is_here(self, path: str) -> bool:
        return path == self.prefix if self.prefix == "/" else path.startswith(self.prefix)


@dataclass(frozen=True)
class Group:
    label: str | Promise
    entries: Sequence[Entry]


@dataclass(frozen=True)
class Shown:
    label: str | Promise
    href: str
    icon: str
    is_current: bool


MENU = (
    Group(
        "",
        (Entry(_("Home"), "console:home", "home", "/"),),
    ),
    Group(
        _("Send"),
        (
            Entry(_("Deliveries"), "deliveries:list", "send", "/deliveries/", Right.SEE_DELIVERIES),
            Entry(_("Contacts and lists"), "contacts:lists", "people", "/contacts/", Right.SEE_CONTACTS),
            Entry(_("Inbox"), "inbox:list", "inbox", "/inbox/", Right.USE_INBOX),
        ),
    ),
    Group(
        _("Follow"),
        (
            Entry(_("Messages"), "messages:search", "search", "/messages/", Right.SEE_MESSAGES),
            Entry(_("Consent and quarantine"), "consent:quarantine", "shield", "/consent/", Right.SEE_CONSENT),
        ),
    ),
    Group(
        _("Operate"),
        (
            Entry(_("Connections"), "connections:list", "plug", "/connections/", Right.SEE_CONNECTIONS),
            Entry(_("Other installations"), "relay:list", "globe", "/relay/", Right.SEE_CONNECTIONS),
            Entry(_("In step with mid"), "mid:list", "check", "/mid/", Right.SEE_CONNECTIONS, has_mid),
            Entry(_("Hooks"), "hooks:list", "hook", "/hooks/", Right.SEE_CONNECTIONS),
            Entry(_("Callbacks"), "callbacks:list", "callback", "/callbacks/", Right.SEE_CONNECTIONS),
            Entry(_("Errors"), "errors:list", "alert", "/errors/", Right.SEE_CONNECTIONS),
        ),
    ),
    Group(
        _("Administer"),
        (
            Entry(_("People"), "accounts:people", "person", "/people/", Right.MANAGE_PEOPLE),
            Entry(_("Keys and operators"), "keys:list", "key", "/keys/", Right.MANAGE_KEYS),
            Entry(_("Audit trail"), "audit:list", "list", "/audit/", Right.SEE_AUDIT),
            Entry(_("Settings"), "settings:overview", "gear", "/settings/", Right.MANAGE_SETTINGS),
        ),
    ),
)


def menu_for(person: Person, path: str) -> Iterator[tuple[str | Promise, list[Shown]]]:
    """The groups that have something for this person, with the line that leads here marked."""
    for group in MENU:
        shown = [
            Shown(entry.label, href, entry.icon, entry.is_here(path))
            for entry in group.entries
            if entry.is_for(person) and (href := _href(entry))
        ]
        if shown:
            yield group.label, shown


def _href(entry: Entry) -> str:
    try:
        return reverse(entry.url)
    except NoReverseMatch:
        return ""
