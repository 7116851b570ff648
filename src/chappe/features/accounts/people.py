"""The people of an organisation: what they may do, and who still may sign in."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import IntegrityError
from django.db.models import QuerySet

from chappe.features.accounts.invitation import checked_role, need_rights
from chappe.features.accounts.letter import password_link
from chappe.features.accounts.models import Organisation, PeopleGroup, User
from chappe.features.accounts.person import Person, granted
from chappe.features.accounts.right import Right
from chappe.features.accounts.services import checked_name
from chappe.features.audit.following import subject_of
from chappe.features.audit.record import CHANGE, note, together
from chappe.features.page import Page, newest_first
from chappe.features.refusal import Conflict, InvalidInput, NotFound

MOST_GROUPS = 100
MOST_IN_A_GROUP = 1_000


@dataclass(frozen=True)
class Place:
    """What a person may do: a role, without some of its rights."""

    role: str
    withheld: Sequence[str] = ()


def people_page(organisation_id: int, cursor: str, limit: int) -> Page[User]:
    """Newest first, with their groups."""
    return newest_first(_people(organisation_id).prefetch_related("people_groups"), cursor, limit)


def find_person(organisation_id: int, person_id: int) -> User:
    """Raises NotFound."""
    found = _people(organisation_id).filter(pk=person_id).first()
    if found is None:
        raise NotFound("person", person_id)
    return found


def person_at(email: str) -> User:
    """The person who signs in with an address, of any organisation: for commands on the machine. Raises NotFound."""
    found = User.objects.filter(username=email.strip().lower(), is_active=True).first()
    if found is None:
        raise NotFound("person", email)
    return found


def everybody(organisation_id: int, group: PeopleGroup | None = None) -> list[User]:
    """Who may be in a group, by name: of more than one may have, the first; and whoever is in it, also if they may sign in no
    more, so that they are in it still when they are let in again."""
    first = list(_people(organisation_id).order_by("first_name", "pk")[:MOST_IN_A_GROUP])
    known = {one.pk for one in first}
    return [*first, *(one for one in (group.people.all() if group is not None else ()) if one.pk not in known)]


def change_place(organisation_id: int, person_id: int, place: Place, by: Person | None = None) -> User:
    """Raises NotFound, InvalidInput; Conflict where `by` gives a right that they lack (None, a command, lacks none), or
    where nobody would be left who may manage people."""
    role, withheld = checked_role(place.role), checked_rights(place.withheld)
    with _kept_in_order(organisation_id, by):
        person = find_person(organisation_id, person_id)
        person.role, person.withheld = role, withheld
        person.save(update_fields=["role", "withheld"])
    return person


def let_in(organisation_id: int, person_id: int, by: Person | None = None, *, is_active: bool) -> User:
    """Let a person sign in, or no more: their sessions are good for nothing from then on. Raises NotFound, Conflict."""
    with _kept_in_order(organisation_id, by):
        person = find_person(organisation_id, person_id)
        _need_standing(person, by)
        person.is_active = is_active
        person.save(update_fields=["is_active"])
    return person


def make_password_link(organisation_id: int, person_id: int, by: Person) -> str:
    """The path of a link by which whoever has it signs in as that person. Raises NotFound; Conflict where `by` lacks a right
    of theirs."""
    person = find_person(organisation_id, person_id)
    _need_standing(person, by)
    need_rights(granted(person), by)
    return password_link(person)


def _need_standing(person: User, by: Person | None) -> None:
    """Raises Conflict where somebody of an organisation decides over who administers the installation."""
    if person.is_superuser and by is not None and not by.user.is_superuser:
        raise Conflict("This person administers the installation. Only others who do may decide over them.")


@contextmanager
def _kept_in_order(organisation_id: int, by: Person | None) -> Iterator[None]:
    """A transaction that changes what people may do. Raises Conflict where somebody would get a right that `by`, who gives it,
    lacks; or where nobody could give rights back: a mistake nobody could undo."""
    with together():
        # One change at a time: two people who demote each other at once would both see the other stay.
        Organisation.objects.select_for_update().get(pk=organisation_id)
        before = _rights(organisation_id)
        yield
        after = _rights(organisation_id)
        need_rights({right for pk, rights in after.items() for right in rights - before.get(pk, frozenset())}, by)
        if not any(Right.MANAGE_PEOPLE in rights for rights in after.values()):
            raise Conflict(
                "Somebody must stay who may change people's rights. Give that right to another person first."
            )


def _rights(organisation_id: int) -> Mapping[int, frozenset[Right]]:
    """What those may do who may sign in."""
    rows = _people(organisation_id).filter(is_active=True).prefetch_related("people_groups")
    return {one.pk: granted(one) for one in rows}


def checked_rights(rights: Sequence[str]) -> list[str]:
    """As they are kept. Raises InvalidInput."""
    if unknown := set(rights) - set(Right):
        raise InvalidInput.at("withheld", f"must be rights; there is none named {min(unknown)}")
    return [right.value for right in Right if right in set(rights)]


# -- groups ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Membership:
    """A group of people, and the rights that they lack together."""

    name: str
    withheld: Sequence[str]
    people: Sequence[int]


def groups(organisation_id: int) -> list[PeopleGroup]:
    """By name; there are at most a hundred."""
    return list(_groups(organisation_id).prefetch_related("people").order_by("name"))


def find_group(organisation_id: int, group_id: int) -> PeopleGroup:
    """Raises NotFound."""
    found = _groups(organisation_id).filter(pk=group_id).first()
    if found is None:
        raise NotFound("group", group_id)
    return found


def create_group(organisation_id: int, membership: Membership, by: Person | None = None) -> PeopleGroup:
    """Raises InvalidInput; Conflict where the name is taken or nobody would be left who may manage people."""
    if _groups(organisation_id).count() >= MOST_GROUPS:
        raise Conflict(f"There are {MOST_GROUPS} groups already, which is as many as there may be.")
    return _saved(PeopleGroup(organisation_id=organisation_id), membership, by)


def change_group(organisation_id: int, group_id: int, membership: Membership, by: Person | None = None) -> PeopleGroup:
    """Raises NotFound, InvalidInput; Conflict also where somebody would get a right that `by` lacks."""
    return _saved(find_group(organisation_id, group_id), membership, by)


def delete_group(organisation_id: int, group_id: int, by: Person | None = None) -> None:
    """Its people have again what their roles give them. Raises NotFound; Conflict where `by` lacks what they would get."""
    with _kept_in_order(organisation_id, by):
        find_group(organisation_id, group_id).delete()


def _saved(group: PeopleGroup, membership: Membership, by: Person | None) -> PeopleGroup:
    group.name, group.withheld = checked_name(membership.name), checked_rights(membership.withheld)
    people = _people(group.organisation_id).filter(pk__in=membership.people)
    try:
        with _kept_in_order(group.organisation_id, by):
            group.save()
            before = _names(group)
            group.people.set(people)
            note(subject_of(group), CHANGE, before={"people": before}, after={"people": _names(group)})
    except IntegrityError:
        raise Conflict(f"There is a group named {group.name} already.") from None
    return group


def _names(group: PeopleGroup) -> list[str]:
    return [one.name for one in group.people.order_by("pk")]


def _people(organisation_id: int) -> "QuerySet[User]":
    return User.objects.filter(organisation_id=organisation_id)


def _groups(organisation_id: int) -> "QuerySet[PeopleGroup]":
    return PeopleGroup.objects.filter(organisation_id=organisation_id)
