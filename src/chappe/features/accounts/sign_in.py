"""How people sign in: by allauth, with what is ours decided here."""

from typing import Any

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from chappe.features.accounts import second_factor
from chappe.features.accounts.letter import UNDELIVERED, link_to
from chappe.features.accounts.models import User
from chappe.features.sealed import process_vault

log = structlog.get_logger(__name__)


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Nobody signs up: people are invited."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def populate_username(self, request: HttpRequest, user: Any) -> None:
        """The address is the name people sign in with."""
        user.username = user.email.lower()

    def get_reset_password_from_key_url(self, key: str) -> str:
        """As the link of an invitation: a request to an address that somebody else chose sends nobody there."""
        return link_to(self.request, reverse("account_reset_password_from_key", args=key.split("-", 1)))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Where the mail server is away the page says what it always does: who is known here is told to nobody."""
        if not settings.CONFIGURATION.mail_url:
            return
        try:
            super().send_mail(template_prefix, email, context)
        except UNDELIVERED as error:
            log.error("letter not sent", letter=template_prefix, error=str(error))


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Who comes by OpenID Connect is whoever has that verified address here already."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Tie a first sign-in to the person. An address that the provider did not verify proves nothing."""
        if sociallogin.is_existing:
            return
        verified = [one.email.lower() for one in sociallogin.email_addresses if one.verified]
        person = User.objects.filter(username__in=verified, is_active=True).first()
        if person is None:
            messages.error(request, _("Nobody here has the address that you signed in with. Ask to be invited."))
            raise ImmediateHttpResponse(redirect("account_login"))
        sociallogin.connect(request, person)


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Second factors are kept sealed by the installation's keys."""

    def encrypt(self, text: str) -> str:
        return second_factor.seal(process_vault(), text)

    def decrypt(self, encrypted_text: str) -> str:
        return second_factor.unseal(process_vault(), encrypted_text)
