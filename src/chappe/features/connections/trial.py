"""Settings that are tried before anything is kept: what a wizard does on its way, step by step."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from asgiref.sync import async_to_sync
from django.conf import settings as django_settings

from chappe.features.audit.record import Subject as Audited
from chappe.features.connections.services import MASK, note_trial, provider_spec
from chappe.features.refusal import InvalidInput
from chappe.features.settings.egress import bounds_of
from chappe.messaging import ConfigError, FieldError

if TYPE_CHECKING:
    from chappe.engine.net.probe import OnPdu
    from chappe.engine.net.verification import Verification


def try_settings(
    organisation_id: int,
    provider: str,
    settings: Mapping[str, object],
    *,
    test_number: str | None = None,
    test_text: str | None = None,
    on_pdu: "OnPdu | None" = None,
) -> "Verification":
    """Use settings that are not kept as the engine would: authenticate; and, with a recipient, send a test message.

    `test_text` is the text, or the JSON payload of an e-mail provider. Raises InvalidInput naming each setting that cannot
    be used. `on_pdu` sees what crosses a link by SMPP. No transaction may be open.
    """
    from chappe.engine.net.verification import Subject, verify
    from chappe.features.deliveries.identifier import for_test

    spec = provider_spec(provider)
    try:
        spec.parse(spec.unmasked(settings, {}, MASK))
    except ConfigError as error:
        raise InvalidInput([FieldError(f"settings.{one.field}", one.message) for one in error.errors]) from None
    bounds = bounds_of(organisation_id)
    is_public = bool(django_settings.CONFIGURATION.public_url)
    subject = Subject(provider, dict(settings), {}, organisation_id=organisation_id, bounds=bounds, is_public=is_public)
    text = for_test(subject, test_number, test_text) if test_number and test_text else test_text
    found = async_to_sync(verify)(subject, test_number=test_number, test_text=text, on_pdu=on_pdu)
    note_trial(Audited(organisation_id, "connection", name=spec.label), "try", found, is_test_sent=bool(test_number))
    return found
