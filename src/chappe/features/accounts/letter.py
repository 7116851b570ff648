"""What people get by e-mail: invitations, and links to set a password."""

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from chappe.features.accounts.models import Invitation, User


def send_invitation(row: Invitation, link: str) -> None:
    """Send the link to whom it is for; nothing where this installation sends no mail."""
    if not settings.CONFIGURATION.mail_url or row.organisation is None:
        return
    shown = {"organisation": row.organisation.name, "by": row.invited_by, "link": link}
    subject = _("Your invitation to %(organisation)s") % shown
    send_mail(subject, render_to_string("accounts/invitation.txt", shown), None, [row.email])


def password_link(user: User) -> str:
    """The path by which a person sets a new password, once, as the sign-in page would send it."""
    place = {"uidb36": user_pk_to_url_str(user), "key": default_token_generator.make_token(user)}
    return reverse("account_reset_password_from_key", kwargs=place)
