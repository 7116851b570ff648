"""Until when the certificates in connections' settings are good: our own for mTLS, and private authorities."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from chappe.features.connections.models import Connection

NAMES = ("client_certificate", "certificate_authority")


@dataclass(frozen=True)
class Expiry:
    """`setting` is the one that holds the certificate; of several in one, that which ends first."""

    connection: Connection
    setting: str
    until: datetime
    days: int

    @property
    def is_over(self) -> bool:
        return self.days < 0


def expiries(connections: Iterable[Connection], now_ms: int, within_days: int) -> list[Expiry]:
    """Certificates that are over or end within so many days, the first to end first."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    found = [
        Expiry(connection, name, until, (until - now).days)
        for connection in connections
        for name in NAMES
        for until in _ends(connection.settings.get(name) or "")
        if (until - now).days <= within_days
    ]
    return sorted(found, key=lambda one: one.until)


def days_left(pem: str, now_ms: int) -> int | None:
    """Of the certificate that ends first, negative where it is over; None of a text that holds none."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    return next(((until - now).days for until in _ends(pem)), None)


def _ends(pem: str) -> Iterator[datetime]:
    """The end that comes first; nothing of a text that holds no certificate, for whoever uses it says so."""
    try:
        certificates = x509.load_pem_x509_certificates(str(pem).encode())
    except ValueError:
        return
    yield min(certificate.not_valid_after_utc for certificate in certificates)
