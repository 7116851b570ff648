"""The people of an organisation: what they may do, and who still may sign in."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from chappe.features.accounts.invitation import checked_role
from chappe.features.accounts.models import PeopleGroup, User
from chappe.features.accounts.right import Right, Role
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
    return _found(_people(organisation_id), person_id)


def person_at(email: str) -> User:
    """The person who signs in with an address, of any organisation: for commands on the machine. Raises NotFound."""
    found = User.objects.filter(username=email.strip().lower(), is_active=True).first()
    if found is None:
        raise NotFound("person", email)
    return found


def everybody(organisation_id: int) -> list[User]:
    """The people who may sign in, by name; of more than a group may have, the first."""
    return list(_people(organisation_id).filter(is_active=True).order_by("first_name", "pk")[:MOST_IN_A_GROUP])


def change_place(organisation_id: int, person_id: int, place: Place) -> User:
    """Raises NotFound, InvalidInput; Conflict where nobody would be left who may manage people."""
    role, withheld = checked_role(place.role), checked_rights(place.withheld)
    with transaction.atomic():
        person = _found(_people(organisation_id).select_for_update(), person_id)
        person.role, person.withheld = role, withheld
        person.save(update_fields=["role", "withheld"])
        _need_somebody(organisation_id)
    return person


def let_in(organisation_id: int, person_id: int, *, is_active: bool) -> User:
    """Let a person sign in, or no more: their sessions are good for nothing from then on. Raises NotFound, Conflict."""
    with transaction.atomic():
        person = _found(_people(organisation_id).select_for_update(), person_id)
        person.is_active = is_active
        person.save(update_fields=["is_active"])
        _need_somebody(organisation_id)
    return person


def _need_somebody(organisation_id: int) -> None:
    """Raises Conflict where nobody could give rights back: a mistake nobody could undo."""
    from chappe.features.accounts.person import person_of

    people = _people(organisation_id).filter(is_active=True, role=Role.ADMINISTRATOR)
    found = (person_of(one) for one in people.prefetch_related("people_groups"))
    if not any(one is not None and one.may(Right.MANAGE_PEOPLE) for one in found):
        raise Conflict("Somebody must stay who may change people's rights. Give that right to another person first.")


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


def create_group(organisation_id: int, membership: Membership) -> PeopleGroup:
    """Raises InvalidInput; Conflict where the name is taken or nobody would be left who may manage people."""
    if _groups(organisation_id).count() >= MOST_GROUPS:
        raise Conflict(f"There are {MOST_GROUPS} groups already, which is as many as there may be.")
    return _saved(PeopleGroup(organisation_id=organisation_id), membership)


def change_group(organisation_id: int, group_id: int, membership: Membership) -> PeopleGroup:
    """Raises NotFound, InvalidInput, Conflict."""
    return _saved(find_group(organisation_id, group_id), membership)


def delete_group(organisation_id: int, group_id: int) -> None:
    """Its people have again what their roles give them. Raises NotFound."""
    find_group(organisation_id, group_id).delete()


def _saved(group: PeopleGroup, membership: Membership) -> PeopleGroup:
    group.name, group.withheld = checked_name(membership.name), checked_rights(membership.withheld)
    people = _people(group.organisation_id).filter(pk__in=membership.people)
    try:
        with together():
            group.save()
            before = _names(group)
            group.people.set(people)
            note(subject_of(group), CHANGE, before={"people": before}, after={"people": _names(group)})
            _need_somebody(group.organisation_id)
    except IntegrityError:
        raise Conflict(f"There is a group named {group.name} already.") from None
    return group


def _names(group: PeopleGroup) -> list[str]:
    return [one.name for one in group.people.order_by("pk")]


def _people(organisation_id: int) -> "QuerySet[User]":
    return User.objects.filter(organisation_id=organisation_id)


def _groups(organisation_id: int) -> "QuerySet[PeopleGroup]":
    return PeopleGroup.objects.filter(organisation_id=organisation_id)


def _found(rows: "QuerySet[User]", person_id: int) -> User:
    found = rows.filter(pk=person_id).first()
    if found is None:
        raise NotFound("person", person_id)
    return found
