"""What people may do: named rights, and the roles made of them."""

from collections.abc import Mapping
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Right(StrEnum):
    """A right, by the name it is kept under. Seeing and changing are apart, and so are numbers and texts of people."""

    USE_DELIVERIES = "use_deliveries"
    SEE_DELIVERIES = "see_deliveries"
    MANAGE_CONTACTS = "manage_contacts"
    SEE_CONTACTS = "see_contacts"
    ERASE_PEOPLE = "erase_people"
    MANAGE_CONSENT = "manage_consent"
    SEE_CONSENT = "see_consent"
    SEE_MESSAGES = "see_messages"
    SEE_NUMBERS = "see_numbers"
    SEE_TEXTS = "see_texts"
    USE_INBOX = "use_inbox"
    MANAGE_CONNECTIONS = "manage_connections"
    SEE_CONNECTIONS = "see_connections"
    SEE_TRACES = "see_traces"
    MANAGE_HOOKS = "manage_hooks"
    QUALIFY_ERRORS = "qualify_errors"
    MANAGE_KEYS = "manage_keys"
    MANAGE_PEOPLE = "manage_people"
    MANAGE_SETTINGS = "manage_settings"
    SEE_AUDIT = "see_audit"


LABELS: Mapping[Right, str | Promise] = {
    Right.USE_DELIVERIES: _("Use SMS deliveries: prepare, test and send them"),
    Right.SEE_DELIVERIES: _("See deliveries and their reports"),
    Right.MANAGE_CONTACTS: _("Import and change contacts and lists"),
    Right.SEE_CONTACTS: _("See contacts and lists"),
    Right.ERASE_PEOPLE: _("Erase a person everywhere"),
    Right.MANAGE_CONSENT: _("Change consent and quarantine"),
    Right.SEE_CONSENT: _("See consent and quarantine"),
    Right.SEE_MESSAGES: _("Find messages and see what became of them"),
    Right.SEE_NUMBERS: _("See people's whole numbers and addresses"),
    Right.SEE_TEXTS: _("See the texts of messages"),
    Right.USE_INBOX: _("Read and answer texts from phones"),
    Right.MANAGE_CONNECTIONS: _("Make, change and test connections"),
    Right.SEE_CONNECTIONS: _("See connections and their links"),
    Right.SEE_TRACES: _("Trace what a connection and its provider say to each other"),
    Right.MANAGE_HOOKS: _("Change hooks and callbacks, replay dead letters"),
    Right.QUALIFY_ERRORS: _("Say what providers' errors mean"),
    Right.MANAGE_KEYS: _("Make and revoke API keys and operators"),
    Right.MANAGE_PEOPLE: _("Invite people, and change their roles and rights"),
    Right.MANAGE_SETTINGS: _("Change the organisation's settings"),
    Right.SEE_AUDIT: _("See and export the audit trail"),
}


class Role(StrEnum):
    MARKETER = "marketer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


ROLE_LABELS: Mapping[Role, str | Promise] = {
    Role.MARKETER: _("Marketer"),
    Role.OPERATOR: _("Operator"),
    Role.ADMINISTRATOR: _("Administrator"),
    Role.AUDITOR: _("Auditor"),
}

_SEEN_BY_ALL = frozenset({Right.SEE_DELIVERIES, Right.SEE_CONTACTS, Right.SEE_CONSENT, Right.SEE_CONNECTIONS})

ROLES: Mapping[Role, frozenset[Right]] = {
    Role.MARKETER: _SEEN_BY_ALL
    | {
        Right.USE_DELIVERIES,
        Right.MANAGE_CONTACTS,
        Right.MANAGE_CONSENT,
        Right.SEE_MESSAGES,
        Right.SEE_NUMBERS,
        Right.SEE_TEXTS,
        Right.USE_INBOX,
    },
    Role.OPERATOR: _SEEN_BY_ALL
    | {
        Right.MANAGE_CONSENT,
        Right.SEE_MESSAGES,
        Right.SEE_NUMBERS,
        Right.MANAGE_CONNECTIONS,
        Right.SEE_TRACES,
        Right.MANAGE_HOOKS,
        Right.QUALIFY_ERRORS,
    },
    Role.ADMINISTRATOR: frozenset(Right),
    Role.AUDITOR: _SEEN_BY_ALL | {Right.SEE_MESSAGES, Right.SEE_AUDIT},
}
"""What each role may do where nothing is withheld from the person or from a group they are in."""
