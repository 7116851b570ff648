"""What somebody who manages people cannot do: get a right that they lack, or leave nobody who could give rights back."""

import threading
from collections.abc import Callable, Sequence

import pytest
from django.db import connections
from django.test import override_settings
from tests.console.browser import PASSWORD, Browser, organisation, person
from tests.console.test_sign_in import configured

from chappe.features.accounts import invitation, people
from chappe.features.accounts.models import Invitation, Organisation, PeopleGroup, User
from chappe.features.accounts.person import granted
from chappe.features.accounts.right import Right
from chappe.features.audit.models import AuditEvent
from chappe.features.clock import now_ms
from chappe.features.refusal import ChappeError, Conflict, NotFound

HIDDEN = ["see_numbers"]
LACKING = "Nobody can give a right that they lack"


def somebody(house: Organisation, **values: object) -> Browser:
    """Manages people, and is not to see their numbers."""
    return Browser(person(house, withheld=HIDDEN, **values))


def pk_of(someone: Browser | User) -> int:
    user = someone.user if isinstance(someone, Browser) else someone
    assert user is not None
    return user.pk


def at_once(acts: Sequence[Callable[[], object]]) -> list[Exception]:
    """Do all of them at the same moment, each on a connection of its own; what they were refused."""
    refused: list[Exception] = []
    ready = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        ready.wait()
        try:
            act()
        except ChappeError as error:
            refused.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return refused


def test_nobody_gives_back_to_themselves_what_was_withheld(admin: Browser, organisation: Organisation) -> None:
    limited = somebody(organisation)
    shown = limited.post(f"/people/{pk_of(limited)}/", {"role": "administrator"})
    assert LACKING in shown.text
    assert Right.SEE_NUMBERS not in granted(User.objects.get(pk=pk_of(limited)))


def test_nobody_invites_or_makes_a_person_with_a_right_that_they_lack(
    admin: Browser, organisation: Organisation
) -> None:
    limited = somebody(organisation)
    assert LACKING in limited.post("/people/", {"email": "me@example.org", "role": "administrator"}).text
    assert not Invitation.objects.exists()
    clerk = person(organisation, "auditor")
    assert LACKING in limited.post(f"/people/{clerk.pk}/", {"role": "marketer"}).text
    assert limited.post(f"/people/{clerk.pk}/", {"role": "marketer", "withheld": HIDDEN}).status == 200
    assert User.objects.get(pk=clerk.pk).role == "marketer"


def test_a_group_gives_nobody_back_what_its_maker_lacks(admin: Browser, organisation: Organisation) -> None:
    someone = Browser(person(organisation))
    group = people.create_group(organisation.pk, people.Membership("Agency", HIDDEN, [pk_of(someone)]))
    path = f"/people/groups/{group.pk}/"
    assert LACKING in someone.post(path, {"name": "Agency", "withheld": HIDDEN}).text
    assert LACKING in someone.post(path, {"name": "Agency", "people": [pk_of(someone)]}).text
    assert LACKING in someone.post(f"{path}delete", {"confirmation": "Agency"}).text
    assert list(PeopleGroup.objects.get().people.all()) == [someone.user]
    assert admin.post(f"{path}delete", {"confirmation": "Agency"}).status == 200
    assert not PeopleGroup.objects.exists()


def test_nobody_signs_in_as_somebody_who_may_do_more(admin: Browser, organisation: Organisation) -> None:
    limited = somebody(organisation)
    refused = limited.post(f"/people/{pk_of(admin)}/password-link", HTTP_REFERER=f"/people/{pk_of(admin)}/")
    assert LACKING in refused.text
    assert "/password/reset/key/" not in refused.html


def test_only_their_like_decide_over_who_administers_the_installation(organisation: Organisation) -> None:
    head = Browser(person(organisation, is_superuser=True))
    other = Browser(person(organisation))
    for act in ("password-link", "let-in"):
        path = f"/people/{pk_of(head)}/{act}"
        assert "administers the installation" in other.post(path, HTTP_REFERER="/people/").text
    assert User.objects.get(pk=pk_of(head)).is_active
    assert "/password/reset/key/" in head.post(f"/people/{pk_of(head)}/password-link").html


def test_a_password_link_is_in_the_audit_trail(admin: Browser, organisation: Organisation) -> None:
    marie = person(organisation, "marketer")
    admin.post(f"/people/{marie.pk}/password-link")
    event = AuditEvent.objects.get(action="password_link")
    assert (event.subject_id, event.actor_id) == (marie.pk, pk_of(admin))


def test_two_who_demote_each_other_at_once_do_not_both_succeed(organisation: Organisation) -> None:
    first, second = person(organisation), person(organisation)
    acts = [
        lambda pk=one.pk: people.change_place(organisation.pk, pk, people.Place("auditor")) for one in (first, second)
    ]
    (refused,) = at_once(acts)
    assert "Somebody must stay" in str(refused)
    assert User.objects.filter(role="administrator").count() == 1


def test_who_is_let_in_no_more_stays_in_their_groups(admin: Browser, organisation: Organisation) -> None:
    gone = person(organisation, "marketer", is_active=False)
    group = people.create_group(organisation.pk, people.Membership("Agency", HIDDEN, [gone.pk]))
    shown = admin.get(f"/people/groups/{group.pk}/")
    kept = [one.get("value") for one in shown.find("input", name="people") if one.get("checked") is not None]
    assert kept == [str(gone.pk)]
    admin.post(f"/people/groups/{group.pk}/", {"name": "Agency 2", "withheld": HIDDEN, "people": kept})
    assert Right.SEE_NUMBERS not in granted(User.objects.get(pk=gone.pk))


def test_organisations_are_not_said_to_need_a_right(admin: Browser) -> None:
    shown = admin.get("/people/organisations/")
    assert shown.status == 403
    assert "administers the whole installation" in shown.text
    assert "settings" not in shown.all("main")[0].itertext()


# -- invitations -------------------------------------------------------------------------------------------------------


def test_a_link_that_is_followed_twice_at_once_makes_one_person(organisation: Organisation) -> None:
    made = invitation.invite(organisation.pk, "a@example.org", "marketer", "", now_ms())
    newcomer = invitation.Newcomer("Ada", "", PASSWORD)
    (refused,) = at_once([lambda: invitation.accept(made.token, newcomer, now_ms())] * 2)
    assert isinstance(refused, NotFound)
    assert User.objects.count() == 1


def test_two_links_for_one_address_that_are_followed_at_once_make_one_person(organisation: Organisation) -> None:
    other = Organisation.objects.create(name="Other", created_ms=1)
    links = [invitation.invite(one.pk, "a@example.org", "marketer", "", now_ms()) for one in (organisation, other)]
    newcomer = invitation.Newcomer("Ada", "", PASSWORD)
    acts = [lambda token=one.token: invitation.accept(token, newcomer, now_ms()) for one in links]
    (refused,) = at_once(acts)
    assert isinstance(refused, Conflict)
    assert User.objects.count() == 1


def test_a_link_that_was_used_while_the_form_was_filled_in_is_said_to_work_no_more(
    organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = invitation.invite(organisation.pk, "a@example.org", "marketer", "", now_ms())
    find, calls = invitation.find, []

    def used_in_between(token: str, now: int) -> Invitation:
        found = find(token, now)
        calls.append(token)
        if len(calls) == 1:
            Invitation.objects.update(used_ms=now)
        return found

    monkeypatch.setattr(invitation, "find", used_in_between)
    shown = Browser().post(f"/people/invitation/{made.token}", {"name": "Ada", "password": PASSWORD})
    assert (shown.status, "works no more" in shown.text) == (404, True)


def test_a_link_that_a_broken_mail_server_does_not_take_is_handed_over(admin: Browser) -> None:
    with override_settings(
        CONFIGURATION=configured(mail_url="smtp://127.0.0.1:1"),
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=1,
    ):
        shown = admin.post("/people/", {"email": "a@example.org", "role": "auditor"})
        assert "could not be sent" in shown.text
        assert "/people/invitation/" in shown.value_of_id("invitation-link")
        asked = Browser().post("/account/password/reset/", {"email": email_of(admin)})
        assert asked.status == 200


def email_of(someone: Browser) -> str:
    assert someone.user is not None
    return someone.user.email


def test_a_name_of_two_lines_makes_no_second_line_of_a_letter(sqlite_url: str, bound: Callable[[str], None]) -> None:
    from django.core import mail

    bound(sqlite_url)
    admin = Browser(person(organisation("Relais\nBcc: all@example.org")))
    with override_settings(CONFIGURATION=configured(mail_url="smtp://127.0.0.1:1")):
        admin.post("/people/", {"email": "a@example.org", "role": "auditor"})
    (letter,) = mail.outbox
    assert letter.subject == "Your invitation to Relais Bcc: all@example.org"
    assert letter.recipients() == ["a@example.org"]


def test_links_that_go_out_name_the_public_address(admin: Browser, organisation: Organisation) -> None:
    marie = person(organisation, "marketer")
    with override_settings(CONFIGURATION=configured(public_url="https://chappe.example.org"), ALLOWED_HOSTS=["*"]):
        headers = {"HTTP_HOST": "evil.example"}
        shown = admin.post("/people/", {"email": "a@example.org", "role": "auditor"}, **headers)
        assert shown.value_of_id("invitation-link").startswith("https://chappe.example.org/people/")
        shown = admin.post(f"/people/{marie.pk}/password-link", **headers)
        assert shown.value_of_id("password-link").startswith("https://chappe.example.org/account/")
