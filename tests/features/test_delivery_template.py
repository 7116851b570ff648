"""Texts with what is known of a person in them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.features.deliveries.template import LONGEST_BODY, BadTemplate, RenderError, Template, check

NAMES = ["first_name", "name", "city", "prénom", "phone"]


def problems(source: str) -> list[str]:
    return [error.message for error in check(source, NAMES, "body")]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Hello", "Hello"),
        ("Hello {{ name }}!", "Hello Zoë & <Co>!"),
        ("{{ name|upper }}", "ZOË & <CO>"),
        ("{{ missing }}|{{ missing.deeper }}", "|"),
        ('Hello {{ missing|default("you") }}', "Hello you"),
        ("{% if city == 'Lyon' %}Lyon{% else %}elsewhere{% endif %}", "Lyon"),
        ("{% if (city) and not (missing) %}a{% endif %}", "a"),
        ("{{ prénom }}", "Zoë"),
        ("{{ name|replace('&', 'et') }}", "Zoë et <Co>"),
        ("{{ age + 1 }}", "32"),
        ("a\nb\n", "a\nb\n"),
        ("{# for nobody #}x", "x"),
        ("}} %} and { are text", "}} %} and { are text"),
        ("{{ '* | range(3) }}' }}", "* | range(3) }}"),
    ],
)
def test_a_text_is_rendered_for_a_person(source: str, text: str) -> None:
    values = {"name": "Zoë & <Co>", "city": "Lyon", "prénom": "Zoë", "age": 31}
    assert check(source, [], "body") == []
    assert Template(source).render(values) == text


@pytest.mark.parametrize("name", ["name", "self", "template_name", "loop", "args", "kwargs"])
def test_no_name_of_an_attribute_gets_in_the_way(name: str) -> None:
    assert Template("{{ phone }}").render({name: "x", "phone": "1"}) == "1"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ name", "line 1"),
        ("a\n\n{% if %}b", "line 3"),
        ("{% if name %}b", "line 1"),
        ("{{ nmae }}", "nmae, which nobody on the list has"),
        ("{{ first_name|shout }}", "no filter shout"),
        ("x" * (LONGEST_BODY + 1), "at most 10000 characters"),
    ],
)
def test_a_mistake_is_told_with_its_place(source: str, words: str) -> None:
    assert any(words in problem for problem in problems(source)), problems(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 1000000000 }}",
        "{{ name*9 }}",
        "{{ 2 ** 99 }}",
        "{{ name|indent(1000000000) }}",
        "{{ '%1000000000d'|format(3) }}",
        "{% for x in range(99999) %}x{% endfor %}",
        "{% for x in name %}{{ x }}{% endfor %}",
        "{% set x = name ~ name %}{{ x }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ range(99999)|join(range(99999)|join) }}",
        "{{ debug() }}",
        "{{ name.upper() }}",
        "{{ [name][0]('x') }}",
        "{% include 'secrets' %}",
        "{% raw %}{{ \" {% endraw %}{{ 'a'*9 }} \" }}",
        "{# {{ \" #}{{ 'a'*9 }}{# \" }} #}",
        "{%- set x = 1 -%}",
        "{%+ set x = 1 %}",
    ],
)
def test_what_could_take_long_or_reach_further_is_not_in_the_language(source: str) -> None:
    assert problems(source)


def test_replacing_cannot_multiply_a_text() -> None:
    source = f"{{{{ name|replace('a', '{'b' * 900}')|replace('b', '{'c' * 900}') }}}}"
    assert problems(source) == []
    with pytest.raises(RenderError):
        Template(source).render({"name": "a" * 1000})


@pytest.mark.parametrize("source", ["{{ name|round }}", "{{ 1 / (name|length - 3) }}", "{{ name + 1 }}"])
def test_a_text_that_cannot_be_made_for_somebody_says_why_without_the_value(source: str) -> None:
    with pytest.raises(RenderError) as failed:
        Template(source).render({"name": "Zoë"})
    assert "Zoë" not in str(failed.value)


def test_a_text_that_is_not_in_the_language_cannot_be_compiled() -> None:
    with pytest.raises(BadTemplate, match="line 1"):
        Template("{{ name")


@given(st.text(st.sampled_from("{}%#'\"\\ |()*.anrg09\n"), max_size=200))
def test_any_text_is_checked_quickly_and_what_passes_can_be_rendered(source: str) -> None:
    if check(source, [], "body"):
        return
    try:
        rendered = Template(source).render({"a": "value", "n": "x"})
    except RenderError:
        return
    assert len(rendered) < LONGEST_BODY


def test_quotation_marks_that_do_not_pair_take_no_time() -> None:
    started = time.process_time()
    assert problems("{{ " + "'\"\\" * 3000)
    assert time.process_time() - started < 2
