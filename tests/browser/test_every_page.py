"""Every page, as a browser draws it: nothing serious that axe-core finds, light or dark, and no page wider than a phone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from tests.browser.conftest import Open
from tests.browser.furnished import Furnished, furnished

AXE = Path(__file__).parent.parent / "interop" / "node" / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"width": 360, "height": 740}
LOOK = """async (only) => {
  const options = only.length ? {runOnly: {type: 'rule', values: only}} : {};
  const found = await axe.run({...options, resultTypes: ['violations']});
  const told = node => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? ''}`;
  return found.violations.filter(one => ['serious', 'critical'].includes(one.impact))
    .map(one => `${one.id}: ${one.nodes.slice(0, 3).map(told).join(' | ')}`);
}"""
"""Serious and critical violations, in words; of all rules, or of those that are named."""
OVERFLOW = """() => {
  const wide = document.documentElement.scrollWidth;
  if (wide <= innerWidth) return [];
  const cuts = one => ['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(one).overflowX);
  const isHeld = one => one.parentElement && (cuts(one.parentElement) || isHeld(one.parentElement));
  const reaches = one => one.getBoundingClientRect().right > innerWidth + 1;
  const out = [...document.querySelectorAll('body *')].filter(one => reaches(one) && !isHeld(one));
  return [`${wide} > ${innerWidth}`, ...out.slice(0, 3).map(one => one.outerHTML.slice(0, 120))];
}"""
"""What makes the page wider than the window."""


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    with furnished(tmp_path_factory.mktemp("pages")) as made:
        yield made


@pytest.fixture
def page(console: Furnished, open_page: Open) -> Page:
    page = open_page(
        console.place, reduced_motion="reduce"
    )  # colours that are still changing have no contrast to judge
    page.context.add_cookies([console.cookie])
    page.context.add_init_script(path=AXE)
    return page


def wrong_with(page: Page, path: str) -> dict[str, Any]:
    answer = page.goto(path)
    assert answer is not None
    assert answer.status == 200, path
    found = {}
    page.emulate_media(color_scheme="light")
    found["light"] = page.evaluate(LOOK, [])
    page.emulate_media(color_scheme="dark")
    found["dark"] = page.evaluate(LOOK, ["color-contrast"])
    return found


def test_axe_finds_nothing_serious_on_any_page(console: Furnished, page: Page) -> None:
    found = {}
    for path in console.paths:
        found |= {f"{path} ({scheme})": what for scheme, what in wrong_with(page, path).items() if what}
    assert not found, "\n".join(f"{where}: {what}" for where, what in found.items())


def test_no_page_is_wider_than_a_phone(console: Furnished, page: Page) -> None:
    page.set_viewport_size(PHONE)
    found = {}
    for path in console.paths:
        page.goto(path)
        if what := page.evaluate(OVERFLOW) + page.evaluate(LOOK, ["scrollable-region-focusable"]):
            found[path] = what
    assert not found, "\n".join(f"{where}: {what}" for where, what in found.items())


@pytest.mark.parametrize("path", ["/account/login/", "/account/password/reset/", "/people/invitation/none", "/none"])
def test_pages_of_who_is_not_signed_in_are_as_good(console: Furnished, open_page: Open, path: str) -> None:
    page = open_page(console.place)
    page.context.add_init_script(path=AXE)
    page.goto(path)
    assert page.evaluate(LOOK, []) == []
    page.set_viewport_size(PHONE)
    assert page.evaluate(OVERFLOW) == []
