"""What went wrong while connecting, in words that say what to do. Pure functions: errors and octets in, texts out."""

import ssl
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import NameOID

from chappe.engine.net.finding import Report
from chappe.engine.net.smpp_client import Endpoint
from chappe.providers.smpp_settings import STANDARD_ACCOUNT, STANDARD_PASSWORD
from chappe.rules.smpp_status import status_of
from chappe.smpp import BindKind, CommandStatus

EXPIRY_WARNING_DAYS = 30

# What OpenSSL calls X509_V_ERR_…, by number.
NOT_YET_VALID, EXPIRED, SELF_SIGNED, SELF_SIGNED_IN_CHAIN = 9, 10, 18, 19
UNKNOWN_ISSUER, UNVERIFIED_LEAF, WRONG_HOST, WRONG_ADDRESS = 20, 21, 62, 64

LESS_STRICT = (
    "If that is meant, 'Certificate verification' can be set to {choice}, at the price of not knowing who answers."
)
NOT_TRUSTED = {
    NOT_YET_VALID: "is not valid yet: compare this machine's clock with the provider's",
    EXPIRED: "has expired: the provider has to renew it",
    SELF_SIGNED: "is self-signed, so nobody vouches for it. " + LESS_STRICT.format(choice="none"),
    SELF_SIGNED_IN_CHAIN: "comes from an authority that this machine does not trust: install the provider's root "
    "certificate in the system's store",
    UNKNOWN_ISSUER: "comes from an authority that this machine does not trust, or the provider sends it without the "
    "certificates in between: install the authority's certificate in the system's store",
    UNVERIFIED_LEAF: "is sent without the certificates that lead to a trusted authority: the provider has to send all",
}

_BIND_WORDS = {
    CommandStatus.ESME_RINVPASWD: "wrong password (ESME_RINVPASWD). Write the password of {account} anew, with its "
    "capitals.",
    CommandStatus.ESME_RINVSYSID: "the provider does not know the account {account} (ESME_RINVSYSID). Compare it with "
    "the provider's letter, capitals included.",
    CommandStatus.ESME_RALYBND: "{account} is logged in already (ESME_RALYBND): an engine that runs holds the links "
    "that the provider allows, or another program uses the account. Ask the provider how many connections it allows.",
    CommandStatus.ESME_RBINDFAIL: "the provider refuses the log-in and does not say why (ESME_RBINDFAIL). It may be "
    "the account, the password, the number of connections, or the IP address that we come from.",
    CommandStatus.ESME_RINVSYSTYP: "the provider refuses the system type (ESME_RINVSYSTYP). Ask which one it wants and "
    "write it under 'System type'.",
    CommandStatus.ESME_RTHROTTLED: "log-ins come faster than the provider allows (ESME_RTHROTTLED). Try again later.",
    CommandStatus.ESME_RSYSERR: "the provider has an internal error (ESME_RSYSERR). Try again later, then ask it.",
}
_KIND_REFUSED = frozenset({CommandStatus.ESME_RINVCMDID, CommandStatus.ESME_RINVBNDSTS})


def connect_words(error: BaseException, place: str, seconds: float) -> str:
    """Why no TCP connection was made."""
    if isinstance(error, TimeoutError):
        return (
            f"{place} does not answer within {seconds:g} s. A firewall drops the connection, here or there; or the "
            "provider does not know the IP address that we come from."
        )
    if isinstance(error, ConnectionRefusedError):
        return f"{place} refuses the connection: nothing listens on that port. Check the server and the port."
    return f"{place} cannot be reached: {_system_words(error)}. Check the server, and this machine's routes and VPN."


def tls_words(error: BaseException, endpoint: Endpoint, seconds: float) -> str:
    """Why no TLS connection was made."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_words(error, endpoint.host)
    if isinstance(error, TimeoutError):
        return (
            f"the TLS handshake was not finished within {seconds:g} s: that port may speak SMPP without TLS. "
            "Check the port, or switch 'TLS' off."
        )
    reason = getattr(error, "reason", None) or ""
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"):
        return "TLS refused: that port does not speak TLS. Check the port, or switch 'TLS' off."
    if reason in ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION"):
        return "TLS refused: the provider speaks only versions before 1.2, which are not safe and not spoken here."
    if isinstance(error, ssl.SSLError) and reason and "CERTIFICATE_REQUIRED" not in reason:
        return f"TLS refused: the handshake failed ({reason.lower().replace('_', ' ')})."
    if isinstance(error, ssl.SSLError) and reason:
        return "TLS refused: the provider wants a certificate from us."
    return (
        f"TLS refused: the connection was closed during the handshake ({_system_words(error)}). That port may speak "
        "SMPP without TLS, or the provider does not know the IP address that we come from."
    )


def _certificate_words(error: ssl.SSLCertVerificationError, host: str) -> str:
    if error.verify_code in (WRONG_HOST, WRONG_ADDRESS):
        words = f"is for another name than {host}: check the server. " + LESS_STRICT.format(choice="no_host_name")
        return f"TLS refused: the provider's certificate {words}"
    words = NOT_TRUSTED.get(error.verify_code, f"cannot be verified: {error.verify_message}")
    return f"TLS refused: the provider's certificate {words.rstrip('.')}."


def _system_words(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def judge_certificate(der: bytes, version: str, verification: str, now: datetime, report: Report) -> None:
    """Whose certificate it is and how long it is good for, from its octets: it may not have been verified."""
    if verification == "none":
        report.warning(
            "The certificate is not verified: whoever stands in between can read and change everything, passwords "
            "included. Set 'Certificate verification' to full."
        )
    elif verification == "no_host_name":
        report.warning(
            "The certificate's host name is not verified: anybody with a certificate of a trusted authority passes for "
            "the provider. Set 'Certificate verification' to full."
        )
    try:
        certificate = x509.load_der_x509_certificate(der)
        name, until = _common_name(certificate), certificate.not_valid_after_utc
    except ValueError:
        report.warning(f"{version}; the provider's certificate cannot be read.")
        return
    days = (until - now).days
    words = f"{version}, certificate of {name}"
    if until <= now:
        report.warning(f"{words}: expired on {until:%Y-%m-%d}.")
    elif days <= EXPIRY_WARNING_DAYS:
        report.warning(f"{words}: expires in {days} days, on {until:%Y-%m-%d}. The provider has to renew it.")
    else:
        report.ok(f"{words}, good for {days} more days.")


def judge_client_certificate(pem: str, now: datetime, report: Report) -> None:
    """How long our own certificate is good for; nothing is said of a text that is none, for whoever uses it says so."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode("ascii"))
    except ValueError:
        return
    until = certificate.not_valid_after_utc
    days = (until - now).days
    if days < 0:
        report.error(f"Our client certificate expired on {until:%Y-%m-%d}. Have it renewed.")
    elif days <= EXPIRY_WARNING_DAYS:
        report.warning(f"Our client certificate expires in {days} days, on {until:%Y-%m-%d}. Have it renewed.")
    else:
        report.ok(f"Our client certificate is good for {days} more days.")


def _common_name(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else "nobody named"


def bind_words(status: int, endpoint: Endpoint) -> str:
    """Why the provider refused the log-in."""
    words = _BIND_WORDS.get(CommandStatus(status)) if status in CommandStatus.__members__.values() else None
    if words is not None:
        return words.format(account=endpoint.account)
    known = status_of(status)
    if status in _KIND_REFUSED and endpoint.kind is BindKind.TRANSCEIVER:
        return (
            f"the provider does not take {endpoint.kind.name.lower()}s ({known.name}). Set 'Connection mode' to "
            "transmitter_receiver."
        )
    return f"{known.words} ({known.name})."


def judge_login(endpoint: Endpoint, report: Report, *, is_bound: bool) -> None:
    """An account or a password that is longer than the standard has room for: the provider takes it, or may not."""
    limits = (
        ("account", len(endpoint.bind.system_id), STANDARD_ACCOUNT),
        ("password", len(endpoint.bind.password), STANDARD_PASSWORD),
    )
    for name, length, limit in limits:
        if length <= limit:
            continue
        words = f"The {name} has {length} characters, where the standard allows {limit}"
        if is_bound:
            report.ok(f"{words}: this provider takes it.")
        else:
            report.warning(f"{words}: compare it with the provider's letter, for not every provider takes that.")


def silence_words(first_octets: bytes, *, has_tls: bool) -> str:
    """Why the log-in was not answered although the connection stands, or why it was closed."""
    if first_octets[:1] in (b"\x15", b"\x16") and first_octets[1:2] == b"\x03":
        return "What answers there speaks TLS. Switch 'TLS' on."
    if first_octets.startswith(b"HTTP/"):
        return "What answers there is a web server. Check the port."
    if first_octets.startswith(b"SSH-"):
        return "What answers there is an SSH server. Check the port."
    if first_octets:
        return "What answers there does not speak SMPP. Check the port."
    tls = "" if has_tls else ", or that port wants TLS"
    return f"Often the provider does not know the IP address that we come from{tls}."
