"""An organisation to work for."""

import pytest
from tests.row import NOW_MS

from chappe.features.accounts import services
from chappe.features.accounts.models import Organisation


@pytest.fixture
def organisation(database: str) -> Organisation:
    return services.create_organisation("Relais", NOW_MS)
