"""Customers' URLs: how secrets are kept, rotated and brought under new keys; what calls are signed with and when repeated."""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
from django.conf import settings as django_settings
from hypothesis import given
from hypothesis import strategies as st
from tests.row import NOW_MS

from chappe.engine.vault import Sealed, Vault, callback_place
from chappe.features.accounts.models import Organisation
from chappe.features.callbacks import services
from chappe.features.callbacks.models import CallbackEndpoint, CallbackEvent
from chappe.features.callbacks.services import Change, Secret
from chappe.features.refusal import Conflict, NotFound
from chappe.providers.standard_webhook import secret_key, secret_text, signatures
from chappe.rules.callback import DELAYS_MS, LAST_MS, TRIED_FOR_MS, next_try_ms

URL = "https://example.org/messages"


@pytest.fixture
def made(organisation: Organisation) -> Secret:
    return services.create_endpoint(organisation.pk, URL, NOW_MS)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """The keys of the process; change the list to restart it with others."""
    ring = list(django_settings.CONFIGURATION.keys)
    monkeypatch.setattr(services, "process_vault", lambda: Vault(ring))
    yield ring


def held(row: CallbackEndpoint) -> dict[str, str]:
    """What the row's secrets are, to whoever has the keys."""
    row.refresh_from_db()
    return services.process_vault().decrypt(bytes(row.secrets), callback_place(row.organisation_id, row.pk))


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_a_secret_is_in_the_database_encrypted_only(made: Secret) -> None:
    assert made.secret.removeprefix("whsec_") not in repr(CallbackEndpoint.objects.values_list().get())
    assert held(made.row) == {"current": made.secret}
    assert made.secret not in repr(made)


def test_no_more_than_two_secrets_are_live(made: Secret) -> None:
    organisation_id = made.row.organisation_id
    second = services.rotate_secret(organisation_id, made.row.pk, NOW_MS, 60)
    assert held(made.row) == {"current": second.secret, "previous": made.secret}
    assert (made.row.previous_until_ms, made.row.version) == (NOW_MS + 60_000, 2)
    third = services.rotate_secret(organisation_id, made.row.pk, NOW_MS, 60)
    assert held(made.row) == {"current": third.secret, "previous": second.secret}
    last = services.rotate_secret(organisation_id, made.row.pk, NOW_MS, 0)
    assert held(made.row) == {"current": last.secret}


def test_a_row_that_is_copied_to_another_organisation_stays_closed(made: Secret) -> None:
    other = Organisation.objects.create(name="Another")
    CallbackEndpoint.objects.update(organisation_id=other.pk)
    with pytest.raises(Sealed):
        held(made.row)


def test_secrets_are_brought_under_a_new_key_and_stay_what_they_are(made: Secret, keys: list[bytes]) -> None:
    keys.insert(0, bytes(range(32)))
    assert services.rotate_secrets() == 1
    assert services.rotate_secrets() == 0
    del keys[1:]
    assert held(made.row) == {"current": made.secret}


def test_who_lost_the_key_makes_a_new_secret(made: Secret, keys: list[bytes]) -> None:
    keys[:] = [bytes(range(32))]
    with pytest.raises(Sealed):
        held(made.row)
    with pytest.raises(Conflict, match="overlap of 0"):
        services.rotate_secret(made.row.organisation_id, made.row.pk, NOW_MS)
    renewed = services.rotate_secret(made.row.organisation_id, made.row.pk, NOW_MS, 0)
    assert held(made.row) == {"current": renewed.secret}


def test_a_deleted_endpoint_holds_no_secret_and_is_found_no_more(made: Secret) -> None:
    services.delete_endpoint(made.row.organisation_id, made.row.pk, NOW_MS)
    assert bytes(CallbackEndpoint.objects.get().secrets) == b""
    with pytest.raises(NotFound):
        services.change_endpoint(made.row.organisation_id, made.row.pk, Change(is_enabled=True), NOW_MS)


def test_how_far_an_endpoint_is_behind_is_known(made: Secret) -> None:
    idle = services.create_endpoint(made.row.organisation_id, URL, NOW_MS).row
    for due_ms, dead_ms in ((NOW_MS + 5, 0), (NOW_MS + 2, 0), (NOW_MS, NOW_MS)):
        CallbackEvent.objects.create(endpoint_id=made.row.pk, type="message.sent", due_ms=due_ms, dead_ms=dead_ms)
    assert [(lag.endpoint_id, lag.oldest_due_ms) for lag in services.lags()] == [
        (made.row.pk, NOW_MS + 2),
        (idle.pk, 0),
    ]


# -- signatures and tries ----------------------------------------------------------------------------------------------


def test_a_signature_is_that_of_the_standard_for_octets_known_beforehand() -> None:
    key, body = b"0123456789abcdef01234567", b'{"type":"message.sent"}'
    signed = b'msg_1.1767225600.{"type":"message.sent"}'
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert signatures([key], "msg_1", 1_767_225_600, body) == f"v1,{expected}"


@given(st.binary(min_size=24, max_size=64))
def test_a_secret_as_its_owner_gets_it_is_read_by_us_and_by_the_customers_library(key: bytes) -> None:
    text = secret_text(key)
    assert secret_key(text) == key
    assert standardwebhooks.Webhook(text)._whsecret == key


def test_what_the_documentation_verifies_with_knows_our_calls_and_no_others() -> None:
    page = Path(__file__).parent.parent.parent / "docs" / "how-to" / "callbacks.md"
    examples = re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    for example in examples:
        exec(example, names)  # as a reader would run it
    new, old, now_s, body = b"n" * 32, b"o" * 32, int(time.time()), b'{"type":"callback.test"}'

    def headers(at_s: int, *keys: bytes) -> dict[str, str]:
        signed = {"webhook-signature": signatures(keys, "evt_1", at_s, body)}
        return {"webhook-id": "evt_1", "webhook-timestamp": str(at_s), **signed}

    is_from_chappe = names["is_from_chappe"]
    assert is_from_chappe(secret_text(new), headers(now_s, new), body)
    assert is_from_chappe(secret_text(old), headers(now_s, new, old), body)
    assert not is_from_chappe(secret_text(old), headers(now_s, new), body)
    assert not is_from_chappe(secret_text(new), headers(now_s, new), body + b" ")
    assert not is_from_chappe(secret_text(new), headers(now_s - 301, new), body)
    assert not is_from_chappe(secret_text(new), {}, body)
    assert names["read"](secret_text(new), headers(now_s, new), body) == {"type": "callback.test"}


def test_what_is_no_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="no secret"):
        secret_key("whsec_not base64!")


@given(
    tries=st.integers(1, 1000),
    age_ms=st.integers(0, 2 * TRIED_FOR_MS),
    wanted_ms=st.integers(0, 3_600_000),
    chance=st.floats(0, 1),
)
def test_the_next_try_is_later_and_never_after_the_day_is_over(
    tries: int, age_ms: int, wanted_ms: int, chance: float
) -> None:
    now_ms, give_up_ms = NOW_MS + age_ms, NOW_MS + TRIED_FOR_MS
    at_ms = next_try_ms(tries, now_ms, give_up_ms, wanted_ms, chance)
    if age_ms >= TRIED_FOR_MS - LAST_MS:
        assert at_ms == 0
    else:
        assert now_ms < at_ms <= give_up_ms - LAST_MS
        assert at_ms >= min(now_ms + wanted_ms, give_up_ms - LAST_MS)
        assert at_ms <= now_ms + max(wanted_ms, int(DELAYS_MS[-1] * 1.2))
