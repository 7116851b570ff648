"""What people get by e-mail: invitations, and links to set a password."""

import smtplib

import structlog
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.mail import send_mail
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from chappe.features.accounts.models import Invitation, User
from chappe.features.audit.following import subject_of
from chappe.features.audit.record import note

UNDELIVERED = (smtplib.SMTPException, OSError)
"""What a mail server that is away, or does not want a letter, raises."""

log = structlog.get_logger(__name__)


def link_to(request: HttpRequest, path: str) -> str:
    """A link that goes out by mail or from hand to hand: by the public address of this installation where there is one, for
    what a request says of its host and scheme is not what others reach it by."""
    public_url = settings.CONFIGURATION.public_url
    return f"{public_url}{path}" if public_url else request.build_absolute_uri(path)


def send_invitation(row: Invitation, link: str) -> bool:
    """Send the link to whom it is for; whether it is on its way. It is not where this installation sends no mail."""
    if not settings.CONFIGURATION.mail_url or row.organisation is None:
        return False
    shown = {"organisation": row.organisation.name, "by": row.invited_by, "link": link}
    # Names may have any characters, subjects are one line.
    subject = " ".join((_("Your invitation to %(organisation)s") % shown).split())
    try:
        send_mail(subject, render_to_string("accounts/invitation.txt", shown), None, [row.email])
    except UNDELIVERED as error:
        log.error("invitation not sent", invitation=row.pk, error=str(error))
        return False
    return True


def password_link(user: User) -> str:
    """The path by which a person sets a new password, once, as the sign-in page would send it; the trail knows of it."""
    place = {"uidb36": user_pk_to_url_str(user), "key": default_token_generator.make_token(user)}
    note(subject_of(user), "password_link")
    return reverse("account_reset_password_from_key", kwargs=place)
