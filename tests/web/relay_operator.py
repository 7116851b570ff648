"""An operator of another Chappe, and what it says of itself."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from tests.row import NOW_MS

from chappe.features.accounts import operator
from chappe.features.accounts.models import Operator, Organisation

PASSWORD = "a winter sea without any boats"


def basic(login: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{login}:{secret}".encode()).decode()


@dataclass(frozen=True)
class Marketing:
    """Another Chappe that signs in here."""

    row: Operator
    key: str

    @property
    def by_password(self) -> str:
        return basic(self.row.login, PASSWORD)

    @property
    def by_key(self) -> str:
        return basic(self.row.login, self.key)

    @property
    def by_key_alone(self) -> str:
        return f"Bearer {self.key}"


def marketing(
    organisation: Organisation, login: str = "sms", scopes: Sequence[str] = ("administration", "replies")
) -> Marketing:
    row = operator.create_operator(organisation.pk, login, "Marketing", scopes, NOW_MS, PASSWORD)
    return Marketing(row, operator.add_key(organisation.pk, row.pk, "first", NOW_MS).secret)
