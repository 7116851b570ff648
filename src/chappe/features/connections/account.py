"""Accounts of another Chappe: connections whose internal name says for which operator they are.

It is `<operator>_<internal name of the account on the other side>`, letter by letter.
"""

import difflib
import re
from collections.abc import Iterable, Sequence

from chappe.features.accounts.models import Operator
from chappe.features.accounts.operator import relay_operators
from chappe.features.connections.models import Connection
from chappe.features.refusal import InvalidInput, NotFound
from chappe.messaging import ChappeError

MOST_CHARACTERS = 130
"""A login of 64, the line, and a name of 64."""
_NAME = re.compile(rf"[A-Za-z0-9._-]{{1,{MOST_CHARACTERS}}}")
_FIELD = "internal_name"


class NoAccount(NotFound):
    """The operator has no such account; the words say what its name must be exactly, and which name comes close."""

    def __init__(self, words: str) -> None:
        self.what = "account"
        ChappeError.__init__(self, words)


def account_name(login: str, internal_name: str) -> str:
    """What the connection of an operator's account is called here."""
    return f"{login}_{internal_name}"


def owner_among(operators: Iterable[Operator], internal_name: str) -> Operator | None:
    """Whose account it is; of two that it may be, the one with the longer login."""
    owners = [one for one in operators if internal_name.startswith(account_name(one.login, ""))]
    return max(owners, key=lambda one: len(one.login), default=None)


def accounts_of(operator: Operator) -> list[Connection]:
    """The connections that are this operator's accounts, by name; there should be one."""
    operators = relay_operators(operator.organisation_id)
    return [one for one in _named(operator.organisation_id) if owner_among(operators, one.internal_name) == operator]


def find_account(operator: Operator, internal_name: str) -> Connection:
    """The connection that is this operator's account; also one that is switched off. Raises NoAccount, which is a NotFound."""
    name = account_name(operator.login, internal_name)
    operators = relay_operators(operator.organisation_id)
    found = Connection.objects.filter(organisation_id=operator.organisation_id, internal_name=name).first()
    if found is not None and owner_among(operators, name) == operator:
        return found
    owners = {one.internal_name: owner_among(operators, one.internal_name) for one in _named(operator.organisation_id)}
    # What belongs to another operator is no business of this one
    close = _close(name, [one for one, owner in owners.items() if owner in (None, operator)])
    if close:
        raise NoAccount(
            f"No connection has the internal name {name}, but there is {close}. It must be exactly the operator's login, _ and "
            "the account's own internal name."
        )
    raise NoAccount(
        f"No connection has the internal name {name}. It must be exactly the operator's login, _ and the account's own "
        "internal name."
    )


def checked_internal_name(organisation_id: int, text: str, connection_id: int = 0) -> str:
    """An internal name as connection `connection_id` can have it (0: a new one); it may be empty. Raises InvalidInput."""
    name = text.strip()
    if not name:
        return ""
    if not _NAME.fullmatch(name):
        raise InvalidInput.at(_FIELD, f"must have at most {MOST_CHARACTERS} letters, digits and . _ - and nothing else")
    others = [one for one in _named(organisation_id) if one.pk != connection_id]
    for other in others:
        if other.internal_name == name:
            raise InvalidInput.at(_FIELD, f"is that of the connection named {other.name} already")
    operators = relay_operators(organisation_id)
    owner = owner_among(operators, name)
    if owner is None:
        _refuse_nearly(name, operators)
    elif name == account_name(owner.login, ""):
        raise InvalidInput.at(
            _FIELD, f"must go on behind {name} with the internal name of the account on the other side"
        )
    else:
        _refuse_second(owner, operators, others)
    return name


def asked_name(organisation_id: int, login: str, typed: str) -> str:
    """The internal name that somebody means who chose an operator ("" for none) and typed a name. Raises InvalidInput."""
    if not login:
        return typed
    operators = relay_operators(organisation_id)
    if login not in [one.login for one in operators]:
        raise InvalidInput.at("operator", f"must be an operator with the right administration: there is no {login}")
    if not typed.strip():
        raise InvalidInput.at(_FIELD, "is needed: the internal name that the account has on the other side")
    owner = owner_among(operators, typed.strip())
    if owner is not None and owner.login != login:
        raise InvalidInput.at(_FIELD, f"begins with the operator {owner.login}, and {login} was chosen")
    return _written_for(login, typed)


def _written_for(login: str, typed: str) -> str:
    """A name for an operator's account, with the operator in front where it was left out."""
    name = typed.strip()
    operator = Operator(login=login)
    is_whole = owner_among([operator], name) is not None or _meant(name, [operator]) is not None
    return name if is_whole else account_name(login, name)


class Naming:
    """Whose accounts an organisation's connections are, for several of them at once."""

    def __init__(self, organisation_id: int) -> None:
        self.operators = relay_operators(organisation_id)
        self._named = _named(organisation_id)

    def owner(self, connection: Connection) -> Operator | None:
        return owner_among(self.operators, connection.internal_name)

    def warnings(self, connection: Connection) -> list[str]:
        """What to know of a connection's internal name, in words; nothing where all is well."""
        name, owner = connection.internal_name, self.owner(connection)
        if not name:
            return []
        if owner is None:
            return [
                f"No operator with the right administration has a login that {name} begins with, so no other Chappe finds "
                "this connection."
            ]
        if not owner.is_enabled:
            return [f"The operator {owner.login} is switched off: nothing comes for this account."]
        others = (one for one in self._named if one.pk != connection.pk and self.owner(one) == owner)
        return [
            f"The operator {owner.login} has another account here, {other.internal_name}. An operator is for one account: "
            "whoever has its password reaches both."
            for other in others
        ][:1]


def _refuse_nearly(name: str, operators: Sequence[Operator]) -> None:
    meant = _meant(name, operators)
    if meant is not None:
        words = f"must be {meant}: the operator's login in small letters, and _ behind it"
        raise InvalidInput.at(_FIELD, words)


def _meant(name: str, operators: Iterable[Operator]) -> str | None:
    """What is probably meant by a name that begins nearly as an operator's accounts do."""
    for login in sorted((one.login for one in operators), key=len, reverse=True):
        rest = name[len(login) :]
        if name.lower().startswith(login) and (not rest or rest[0] in "-._"):
            return account_name(login, rest[1:] or "…")
    return None


def _refuse_second(owner: Operator, operators: Sequence[Operator], others: Iterable[Connection]) -> None:
    second = next((one for one in others if owner_among(operators, one.internal_name) == owner), None)
    if second is not None:
        words = f"is a second account of the operator {owner.login}, which has {second.internal_name}: each has one of its own"
        raise InvalidInput.at(_FIELD, words)


def _close(name: str, names: Iterable[str]) -> str:
    by_small = {one.lower().replace("-", "_"): one for one in names}
    found = difflib.get_close_matches(name.lower().replace("-", "_"), by_small, n=1)
    return by_small[found[0]] if found else ""


def _named(organisation_id: int) -> list[Connection]:
    """The connections that have an internal name."""
    return list(
        Connection.objects.filter(organisation_id=organisation_id).exclude(internal_name="").order_by("internal_name")
    )
