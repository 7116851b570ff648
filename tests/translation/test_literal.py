"""No page speaks one language only: nothing that people read stands outside of what is translated."""

from pathlib import Path

import pytest

from translation.literal import in_module, in_template
from translation.source import ROOT, apps

TEMPLATES = [path for app in apps() for path in app.templates]
MODULES = [path for app in apps() for path in app.modules]


def test_no_template_has_text_that_is_not_translated() -> None:
    assert not [f"{path.relative_to(ROOT)}:{text}" for path in TEMPLATES for text in in_template(path)]


def test_no_form_or_page_has_text_that_is_not_translated() -> None:
    assert not [f"{path.relative_to(ROOT)}:{text}" for path in MODULES for text in in_module(path)]


@pytest.mark.parametrize(
    ("markup", "found"),
    [
        ("<p>Hello</p>", ["1: Hello"]),
        ("<p>{% translate 'Hello' %} {{ name }}: 3 · SMS — Chappe</p>", []),
        ("{% blocktranslate %}Hello <b>you</b>{% endblocktranslate %}{# note #}{% comment %}Hm so{% endcomment %}", []),
        ('<a\n title="Go {{ x }}">{{ x }}</a>', ["1: title=Go "]),
        ('<a aria-label="{% translate "Go" %}">{{ x }}</a>', []),
        ('<input type="submit" value="Send"><input type="text" value="typed">', ["1: value=Send"]),
        ("<code>submit_sm</code><b translate='no'>Acme</b><p lang='fr'>Bonjour</p><p>après</p>", ["1: après"]),
        ('{% include "a/b.html" with title="Nothing here" tone="bad" %}', ["1: Nothing here"]),
        ('{% include "a/b.html" with title=_("Nothing here") %}{{ day|date:"j F Y" }}{% url "a:b" %}', []),
    ],
)
def test_a_template_is_searched(tmp_path: Path, markup: str, found: list[str]) -> None:
    path = tmp_path / "page.html"
    path.write_text(markup, "utf-8")
    assert list(in_template(path)) == found


@pytest.mark.parametrize(
    ("code", "is_found"),
    [
        ('CharField(label="Name")', True),
        ('CharField(label=_("Name"), help_text="")', False),
        ('ChoiceField(choices=[("a", "All of them")])', True),
        ('ChoiceField(choices=[("a", _("All of them"))])', False),
        ('messages.success(request, f"{name} is gone")', True),
        ('messages.success(request, _("%(name)s is gone") % {"name": name})', False),
        ('raise ValidationError("Too long")', True),
        ('STATE_LABELS = {1: "Sent"}', True),
        ('class State(models.TextChoices):\n    OPEN = "open", "Open"', True),
        ('log.info("said", label=name)', False),
    ],
)
def test_a_module_is_searched(tmp_path: Path, code: str, is_found: bool) -> None:
    path = tmp_path / "forms.py"
    path.write_text(code, "utf-8")
    assert bool(list(in_module(path))) is is_found
