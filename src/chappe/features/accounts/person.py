"""Who looks at a page, and what they may do."""

from collections.abc import Iterable
from dataclasses import dataclass

from chappe.features.accounts.models import Organisation, User
from chappe.features.accounts.right import ROLES, Right, Role


@dataclass(frozen=True)
class Person:
    """The signed-in person of a request. `organisation` is the border of everything they may see."""

    user: User
    organisation: Organisation
    rights: frozenset[Right]

    @property
    def organisation_id(self) -> int:
        return self.organisation.pk

    def may(self, right: Right) -> bool:
        return right in self.rights


def rights_of(role: str, withheld: Iterable[str]) -> frozenset[Right]:
    """What is left of a role; none for one that there is not."""
    if role not in set(Role):
        return frozenset()
    return ROLES[Role(role)] - {Right(name) for name in withheld if name in set(Right)}


def person_of(user: User) -> Person | None:
    """None for those who belong to no organisation."""
    organisation = user.organisation
    if organisation is None or not user.is_active:
        return None
    return Person(user, organisation, granted(user))


def granted(user: User) -> frozenset[Right]:
    """The rights of somebody's role, without what is withheld from them or from a group that they are in."""
    withheld = set(user.withheld)
    for group in user.people_groups.all():
        withheld.update(group.withheld)
    return rights_of(user.role, withheld)
