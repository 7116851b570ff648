"""Signing in: by password, with a second factor, by OpenID Connect; and a forgotten password."""

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.conf import settings
from django.core.cache import cache
from django.test import override_settings
from tests.console import oidc
from tests.console.browser import PASSWORD, Browser, Page, person

from chappe.features.accounts import second_factor
from chappe.features.accounts.models import Organisation, User
from chappe.features.sealed import process_vault
from chappe.web.mail import mail_settings
from chappe.web.oidc import sign_in_providers

MARIE = "marie@example.org"
LOGIN = "/account/login/"


@pytest.fixture(autouse=True)
def _no_failures_yet() -> Iterator[None]:
    """Failures are counted in the process's memory."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def marie(organisation: Organisation) -> User:
    return person(organisation, "marketer", email=MARIE, password=PASSWORD)


def sign_in(someone: Browser, password: str = PASSWORD) -> Page:
    return someone.post(LOGIN, {"login": MARIE, "password": password})


def is_in(page: Page) -> bool:
    return bool(page.find("nav", aria_label="Main menu"))


def configured(**values: str) -> Any:
    return msgspec.structs.replace(settings.CONFIGURATION, **values)


# -- password --------------------------------------------------------------------------------------------------------


def test_who_signs_out_is_out(marie: User) -> None:
    someone = Browser()
    assert is_in(sign_in(someone))
    someone.post("/account/logout/")
    assert not is_in(someone.get("/"))


def test_somebody_who_is_let_in_no_more_cannot_sign_in(marie: User) -> None:
    User.objects.update(is_active=False)
    assert not is_in(sign_in(Browser()))


def test_too_many_wrong_passwords_shut_the_door_for_a_while(marie: User) -> None:
    for _ in range(12):
        sign_in(Browser(), "not this one")
    assert not is_in(sign_in(Browser()))


def test_a_page_that_was_asked_for_comes_after_the_sign_in(marie: User) -> None:
    someone = Browser()
    shown = someone.get("/messages/")
    after = someone.post(LOGIN, {"login": MARIE, "password": PASSWORD, "next": shown.value_of("next")})
    assert after.all("h1")[0].text == "Messages"


def test_a_page_elsewhere_does_not_come_after_the_sign_in(marie: User) -> None:
    given = {"login": MARIE, "password": PASSWORD, "next": "https://example.com/"}
    assert Browser().post(LOGIN, given, follow=False).url == "/"


# -- second factor ---------------------------------------------------------------------------------------------------


def code_of(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def with_second_factor(someone: Browser) -> str:
    """Sign in and add an authenticator app; its secret."""
    sign_in(someone)
    asked = someone.get("/account/2fa/totp/activate/")
    assert "Enter your password" in asked.text
    form = someone.post(asked.url, {"password": PASSWORD, "next": asked.value_of("next")})
    secret = form.value_of_id("authenticator_secret")
    someone.post("/account/2fa/totp/activate/", {"code": code_of(secret)})
    return secret


def test_a_second_factor_is_asked_for_once_it_is_there(marie: User) -> None:
    someone = Browser()
    secret = with_second_factor(someone)
    someone.post("/account/logout/")
    cache.clear()  # a code is good once
    asked = sign_in(someone)
    assert not is_in(asked)
    assert asked.find("input", name="code")
    assert not is_in(someone.post(asked.url, {"code": "000000"}))
    assert is_in(someone.post(asked.url, {"code": code_of(secret)}))


def test_a_second_factor_is_kept_sealed(marie: User) -> None:
    secret = with_second_factor(Browser())
    rows = list(Authenticator.objects.filter(type="totp"))
    assert rows
    assert secret not in str([row.data for row in rows])
    assert second_factor.unseal(process_vault(), rows[0].data["secret"]) == secret
    assert second_factor.rotate(process_vault()) == 0


# -- a forgotten password --------------------------------------------------------------------------------------------


class Mailbox(socketserver.ThreadingTCPServer):
    """An SMTP server that keeps what it gets."""

    allow_reuse_address = True

    def __init__(self) -> None:
        self.letters: list[str] = []
        super().__init__(("127.0.0.1", 0), _Smtp)


class _Smtp(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self._say("220 hello")
        for line in self.rfile:
            match line.split(b" ")[0].strip().upper():
                case b"DATA":
                    self._say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    assert isinstance(self.server, Mailbox)
                    self.server.letters.append(b"".join(lines).decode())
                    self._say("250 taken")
                case b"QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 fine")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        url = f"smtp://127.0.0.1:{server.server_address[1]}?tls=no"
        # Django's tests put a backend of their own in the place of the real one.
        try:
            with override_settings(CONFIGURATION=configured(mail_url=url), **mail_settings(url, "chappe@example.org")):
                yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_link_for_a_new_password_comes_by_mail(marie: User) -> None:
    with mailbox() as box:
        shown = Browser().post("/account/password/reset/", {"email": MARIE})
        assert shown.status == 200
    (letter,) = box.letters
    link = next(line.strip() for line in letter.splitlines() if "/account/password/reset/key/" in line)
    someone = Browser()
    form = someone.get(urlsplit(link).path)
    someone.post(form.url, {"password1": "another quiet hill", "password2": "another quiet hill"})
    assert is_in(sign_in(Browser(), "another quiet hill"))


def test_whether_an_address_is_known_is_not_told(marie: User) -> None:
    with mailbox() as box:
        known = Browser().post("/account/password/reset/", {"email": MARIE})
        unknown = Browser().post("/account/password/reset/", {"email": "nobody@example.org"})
    assert known.text == unknown.text
    assert len([letter for letter in box.letters if "/password/reset/key/" in letter]) == 1


def test_an_invitation_comes_by_mail(admin: Browser) -> None:
    with mailbox() as box:
        shown = admin.post("/people/", {"email": "jean@example.org", "role": "auditor"})
    (letter,) = box.letters
    assert "/people/invitation/" in letter
    assert "To: jean@example.org" in letter
    assert "/people/invitation/" not in shown.html


def test_without_mail_the_page_says_whom_to_ask(marie: User) -> None:
    assert "sends no mail" in Browser().get("/account/password/reset/").text


# -- OpenID Connect --------------------------------------------------------------------------------------------------


@contextmanager
def provider(**claims: Any) -> Iterator[oidc.Provider]:
    with oidc.Provider(**claims) as made:
        known = configured(
            oidc_url=made.url, oidc_client_id=oidc.CLIENT, oidc_client_secret=oidc.SECRET, oidc_name="Staff"
        )
        with override_settings(SOCIALACCOUNT_PROVIDERS=sign_in_providers(known)):
            yield made


def by_staff(someone: Browser) -> Page:
    """The link of the sign-in page, and back from the provider."""
    shown = someone.get(LOGIN)
    (link,) = [one for one in shown.links() if "/oidc/" in one]
    sent = someone.get(link, follow=False)
    asked = parse_qs(urlsplit(sent.url).query)
    back = f"{urlsplit(asked['redirect_uri'][0]).path}"
    return someone.get(back, code=oidc.CODE, state=asked["state"][0])


def test_who_comes_from_the_provider_with_a_verified_address_is_in(marie: User) -> None:
    with provider(email=MARIE, email_verified=True) as staff:
        assert is_in(by_staff(Browser()))
        assert is_in(by_staff(Browser()))  # and the second time, too
    assert staff.asked[0]["code"] == oidc.CODE
    assert staff.asked[0]["code_verifier"]


@pytest.mark.parametrize(
    "claims",
    [{"email": "nobody@example.org", "email_verified": True}, {"email": MARIE, "email_verified": False}, {}],
    ids=["nobody here", "not verified", "no address"],
)
def test_who_cannot_be_told_is_not_let_in(claims: dict[str, Any], marie: User) -> None:
    with provider(**claims):
        shown = by_staff(Browser())
    assert not is_in(shown)
    assert "Ask to be invited" in shown.text
    assert User.objects.count() == 1


def test_who_is_let_in_no_more_is_not_let_in_by_the_provider(marie: User) -> None:
    with provider(email=MARIE, email_verified=True):
        assert is_in(by_staff(Browser()))
        User.objects.update(is_active=False)
        assert not is_in(by_staff(Browser()))


def test_without_settings_there_is_no_such_link(marie: User) -> None:
    assert not [one for one in Browser().get(LOGIN).links() if "/oidc/" in one]
