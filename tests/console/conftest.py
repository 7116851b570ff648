"""People at the console: of the test's organisation in each role, and of another."""

from collections.abc import Callable, Iterator

import pytest
from django.utils import translation
from tests.console import browser
from tests.console.browser import Browser

from chappe.features.accounts.models import Organisation


@pytest.fixture(autouse=True)
def own_language() -> Iterator[None]:
    """What a person read is not the language of the next test."""
    yield
    translation.deactivate()


@pytest.fixture
def organisation(database: str) -> Organisation:
    return browser.organisation()


@pytest.fixture
def browse_as(organisation: Organisation) -> Callable[..., Browser]:
    """Makes a person of an organisation (the test's own unless another is named) in a role, at the console."""

    def make(role: str = "administrator", of: Organisation | None = None, language: str = "en") -> Browser:
        return Browser(browser.person(of or organisation, role), language)

    return make


@pytest.fixture
def admin(browse_as: Callable[..., Browser]) -> Browser:
    return browse_as()


@pytest.fixture
def stranger(browse_as: Callable[..., Browser]) -> Browser:
    """An administrator of another organisation."""
    return browse_as(of=browser.organisation("Another"))
