"""Links that make a person, once each. The first of an installation makes its first administrator."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from chappe.features.accounts.models import Invitation, Organisation, User
from chappe.features.accounts.person import Person, rights_of
from chappe.features.accounts.right import Right, Role
from chappe.features.accounts.services import checked_name, create_organisation, digest_of
from chappe.features.refusal import Conflict, InvalidInput, Mistakes, NotFound

LIVES_MS = 7 * 86_400_000
FIRST_LIVES_MS = 86_400_000
NAME_CHARACTERS = 150
LONGEST_EMAIL = 150
"""Of the name that people sign in with."""


@dataclass(frozen=True)
class NewInvitation:
    """An invitation just made. `token` is the end of its link, and kept nowhere."""

    row: Invitation
    token: str

    def __repr__(self) -> str:
        return f"NewInvitation({self.row.pk})"


@dataclass(frozen=True)
class Newcomer:
    """What somebody who was invited says of themselves."""

    name: str
    email: str
    password: str
    organisation: str = ""


def needs_first_person() -> bool:
    """Whether nobody can sign in to this installation yet."""
    return not User.objects.exists()


def invite_first(now_ms: int) -> NewInvitation:
    """The link for the first administrator; those made before work no more. Raises Conflict where there are people."""
    if not needs_first_person():
        raise Conflict("There are people already; one of them can invite others.")
    Invitation.objects.filter(organisation=None, used_ms=0).delete()
    return _made(Invitation(role=Role.ADMINISTRATOR, created_ms=now_ms, expires_ms=now_ms + FIRST_LIVES_MS))


def invite(
    organisation_id: int, email: str, role: str, invited_by: str, now_ms: int, by: Person | None = None
) -> NewInvitation:
    """A link for one person. An earlier one for the same address works no more.

    Raises InvalidInput; Conflict where the address is taken, or the role has a right that `by` lacks.
    """
    mistakes = Mistakes()
    with mistakes.noted():
        email = checked_email(email)
    with mistakes.noted():
        role = checked_role(role)
    mistakes.refuse()
    need_rights(rights_of(role, ()), by)
    if User.objects.filter(username=email).exists():
        raise Conflict(f"There is a person with the address {email} already.")
    with transaction.atomic():
        pending(organisation_id).filter(email=email).delete()
        return _made(
            Invitation(
                organisation_id=organisation_id,
                email=email,
                role=role,
                invited_by=invited_by,
                created_ms=now_ms,
                expires_ms=now_ms + LIVES_MS,
            )
        )


def need_rights(given: Collection[Right], by: Person | None) -> None:
    """Raises Conflict where `by` gives a right that they lack: they could have it themselves from whoever got it. None is a
    command on the machine, which lacks none."""
    if by is not None and not by.rights.issuperset(given):
        raise Conflict("Nobody can give a right that they lack themselves. Ask somebody who has it.")


def found_organisation(name: str, email: str, invited_by: str, now_ms: int) -> NewInvitation:
    """A new organisation, and the link for its first administrator. Raises InvalidInput, Conflict."""
    with transaction.atomic():
        made = create_organisation(name, now_ms)
        return invite(made.pk, email, Role.ADMINISTRATOR, invited_by, now_ms)


def pending(organisation_id: int) -> "QuerySet[Invitation]":
    """Those nobody used yet, expired ones included, newest first."""
    return Invitation.objects.filter(organisation_id=organisation_id, used_ms=0).order_by("-pk")


def withdraw(organisation_id: int, invitation_id: int) -> Invitation:
    """Its link works no more. Raises NotFound."""
    found = pending(organisation_id).filter(pk=invitation_id).first()
    if found is None:
        raise NotFound("invitation", invitation_id)
    found.delete()
    return found


def find(token: str, now_ms: int) -> Invitation:
    """Raises NotFound for a token that is none, that was used, or whose time is over."""
    found = Invitation.objects.filter(digest=digest_of(token), used_ms=0, expires_ms__gt=now_ms).first()
    if found is None or (found.organisation_id is None and not needs_first_person()):
        raise NotFound("invitation", "by this link: it was used, or its time is over")
    return found


def accept(token: str, newcomer: Newcomer, now_ms: int) -> User:
    """Make the person. Raises NotFound for the token, InvalidInput naming each field, Conflict for a taken address."""
    with transaction.atomic():
        # The row is locked, so that a link pressed twice makes one person.
        Invitation.objects.select_for_update().filter(digest=digest_of(token)).first()
        invitation = find(token, now_ms)
        user = _person(invitation, newcomer)
        user.organisation = invitation.organisation or _first_organisation(newcomer.organisation, now_ms)
        _save(user)
        invitation.used_ms = now_ms
        invitation.save(update_fields=["used_ms"])
    return user


def _save(user: User) -> None:
    """Raises Conflict where somebody else took the address meanwhile."""
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:
        raise Conflict(f"There is a person with the address {user.email} already.") from None


def _person(invitation: Invitation, newcomer: Newcomer) -> User:
    mistakes, email, name = Mistakes(), invitation.email, ""
    with mistakes.noted():
        email = invitation.email or checked_email(newcomer.email)
    with mistakes.noted():
        name = checked_name(newcomer.name, most=NAME_CHARACTERS)
    user = User(username=email, email=email, first_name=name, role=invitation.role)
    user.is_superuser = invitation.organisation_id is None
    with mistakes.noted():
        set_password(user, newcomer.password)
    mistakes.refuse()
    return user


def set_password(user: User, password: str) -> None:
    """Set but not save. Raises InvalidInput."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidInput.at("password", " ".join(error.messages)) from None
    user.set_password(password)


def checked_email(email: str) -> str:
    """An address as it is kept. Raises InvalidInput."""
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise InvalidInput.at("email", "must be an e-mail address such as marie@example.org") from None
    if len(email) > LONGEST_EMAIL:
        raise InvalidInput.at("email", f"must have at most {LONGEST_EMAIL} characters")
    return email


def checked_role(role: str) -> str:
    if role not in set(Role):
        raise InvalidInput.at("role", f"must be one of {', '.join(Role)}")
    return role


def _first_organisation(name: str, now_ms: int) -> Organisation:
    try:
        checked_name(name)
    except InvalidInput as error:
        raise InvalidInput.at("organisation", error.errors[0].message) from None
    return Organisation.objects.filter(name=name.strip()).first() or create_organisation(name, now_ms)


def _made(row: Invitation) -> NewInvitation:
    token = secrets.token_urlsafe(24)
    row.digest = digest_of(token)
    row.save()
    return NewInvitation(row, token)
