"""The French is whole: every string has it, with the values and the markup in place, and both forms of a catalogue agree."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from translation import sentence
from translation.catalogue import Key, merged, mo, po, read, typeset
from translation.source import ROOT, App, apps, strings_of

APPS = apps()
CATALOGUES = [*(app.po for app in APPS), sentence.PO]
HOLES = re.compile(r"%\(\w+\)[a-z]|%%|%[sd]|</?\w+|\{\w+\}|`")
each_app = pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
each_catalogue = pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: str(path.relative_to(ROOT)))
MAKE = "run `make messages`, and write the French of what is new"


def differing(keys: Iterable[Key], path: Path) -> list[str]:
    """Strings that only the source has, or only the catalogue."""
    return sorted(key.text for key in set(keys) ^ set(read(path)))


@each_app
def test_an_apps_catalogue_holds_what_its_sources_say(app: App) -> None:
    assert not differing(app.keys(), app.po), MAKE


def test_the_catalogue_of_words_holds_what_is_said_outside_django() -> None:
    assert not differing(map(Key, sentence.sentences()), sentence.PO), MAKE


@each_catalogue
def test_every_string_has_french(path: Path) -> None:
    missing = [key.text for key, forms in read(path).items() if not all(form.strip() for form in forms)]
    assert not missing, MAKE


@each_catalogue
def test_french_has_the_values_and_the_markup_of_the_english(path: Path) -> None:
    def marks(text: str) -> list[str]:
        return sorted(HOLES.findall(text))

    for key, forms in read(path).items():
        for form, english in zip(forms, (key.text, key.plural or key.text), strict=False):
            # "One link" may do without its number where "%(count)s links" has it
            allowed = [marks(english), marks(key.plural)] if key.plural else [marks(english)]
            assert not form or marks(form) in allowed, key.text


@each_catalogue
def test_what_is_compiled_is_what_is_written(path: Path) -> None:
    if path.exists():
        assert path.with_suffix(".mo").read_bytes() == mo(read(path)), MAKE


@each_catalogue
def test_a_catalogue_is_written_as_it_is_read(path: Path) -> None:
    if path.exists():
        entries = read(path)
        assert path.read_text("utf-8") == po(merged(entries, entries)), MAKE


def test_one_english_has_one_french() -> None:
    """Django mixes the catalogues of all apps; which of two would be shown depends on their order."""
    found: dict[Key, set[tuple[str, ...]]] = {}
    for app in APPS:
        for key, forms in read(app.po).items():
            found.setdefault(key, set()).update({forms} if all(forms) else ())
    assert not {key.text: forms for key, forms in found.items() if len(forms) > 1}


# -- the tools -------------------------------------------------------------------------------------------------------


def test_strings_are_drawn_from_python_and_from_templates(tmp_path: Path) -> None:
    module, page = tmp_path / "views.py", tmp_path / "page.html"
    module.write_text(
        'A = _("One")\nB = ngettext("%(count)s link", "%(count)s links", 2)\nC = pgettext("state", "Open")\nD = "No"\n'
    )
    page.write_text(
        '{% load i18n %}<p title="{% translate "It\'s" context "mark" %}">\n{% blocktranslate trimmed count n=x %}'
        "{{ n }} text\n  more{% plural %}{{ n }} texts{% endblocktranslate %} plain {{ x|default:_('None') }}</p>"
    )
    assert set(strings_of(module)) == {Key("One"), Key("%(count)s link", "%(count)s links"), Key("Open", "", "state")}
    assert set(strings_of(page)) == {Key("It's", "", "mark"), Key("%(n)s text more", "%(n)s texts"), Key("None")}


def test_a_catalogue_keeps_its_french_and_drops_what_is_said_no_more() -> None:
    old = {Key("Kept"): ("Gardé",), Key("Gone"): ("Parti",)}
    entries = merged([Key("Kept"), Key("New"), Key("Known")], old, [{Key("Known"): ("Connu",)}])
    assert entries == {Key("Kept"): ("Gardé",), Key("Known"): ("Connu",), Key("New"): ("",)}


def test_what_has_no_french_yet_is_not_compiled(tmp_path: Path) -> None:
    path = tmp_path / "django.po"
    entries = {Key("One"): ("Un",), Key("%s link", "%s links"): ("%s lien", "%s liens"), Key("New"): ("",)}
    path.write_text(po(entries), "utf-8")
    assert read(path) == entries
    assert b"Un\0" in mo(entries) and b"New" not in mo(entries)


def test_french_is_typeset() -> None:
    assert typeset("l'envoi : « ici » ; là ? oui...") == ("l\u2019envoi\u202f: «\u202fici\u202f»\u202f; là\u202f? oui…")
    assert typeset("https://example.org d'<b>un</b>") == "https://example.org d\u2019<b>un</b>"
