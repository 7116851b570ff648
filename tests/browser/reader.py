"""Somebody at a browser, in a language: looks for things by the words that stand there, and does as people do."""

import re
from collections.abc import Callable
from typing import Any

from django.utils import translation
from django.utils.translation import gettext, pgettext
from playwright.sync_api import Locator, Page, expect
from tests.e2e.installation import until

from chappe.features.words import localised

OPTIONAL = {"en": "optional", "fr": "facultatif"}
PATIENCE_S = 30.0
SAME = frozenset({"Action", "Messages", "Organisation", "Port", "Test"})
"""Words that a translation leaves as they are."""


class Reader:
    """`has_script` is said by whoever opened the window: without it, a page is only what it was when it was opened."""

    def __init__(self, page: Page, language: str = "en", *, has_script: bool = True) -> None:
        self.page, self.language, self.has_script = page, language, has_script

    def say(self, words: str, context: str = "", **values: Any) -> str:
        """The words as this reader has them. What another language has in the same words is not translated."""
        with translation.override(self.language):
            found = pgettext(context, words) if context else gettext(words)
            found = localised(words) if found == words else found
            assert found != words or self.language == "en" or words in SAME, f"{words!r} has no {self.language}"
            return found % values if values else found

    # -- what is there ---------------------------------------------------------------------------------------------------

    def field(self, label: str, within: Locator | None = None) -> Locator:
        """A control by its label, which may go on with the word for what may be left empty."""
        whole = re.compile(rf"^\s*{re.escape(self.say(label))}\s*(?:{OPTIONAL[self.language]})?\s*$")
        return (within or self.page).get_by_label(whole)

    def button(self, words: str, **values: Any) -> Locator:
        return self.page.get_by_role("button", name=self.say(words, **values), exact=True)

    def link(self, words: str, **values: Any) -> Locator:
        return self.page.get_by_role("link", name=self.say(words, **values), exact=True)

    def heading(self, words: str, **values: Any) -> Locator:
        return self.page.get_by_role("heading", name=self.say(words, **values), exact=True)

    @property
    def main(self) -> Locator:
        return self.page.get_by_role("main")

    # -- what people do --------------------------------------------------------------------------------------------------

    def menu(self, words: str) -> None:
        navigation = self.page.get_by_role("navigation", name=self.say("Main menu"))
        navigation.get_by_role("link", name=self.say(words), exact=True).click()

    def fill(self, fields: dict[str, str]) -> None:
        """What to type, by the label of the field."""
        for label, value in fields.items():
            self.field(label).fill(value)

    def reads(self, words: str) -> None:
        """Until the words stand in the page."""
        self.sees(lambda: self.main.get_by_text(words).first)

    def sees(self, what: Callable[[], Locator]) -> None:
        """Until it is there; who has no script asks for the page again."""
        if self.has_script:
            expect(what()).to_be_visible()
            return

        def is_there() -> bool:
            self.page.reload()
            return what().is_visible()

        if not what().is_visible():
            until(is_there, PATIENCE_S, str(what()))
