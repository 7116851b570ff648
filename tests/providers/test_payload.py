"""Payloads of custom providers: whatever a value holds, the provider reads it as it was typed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.messaging import ConfigError
from chappe.providers.payload import VARIABLES, Payload, PayloadFailed, check_message_payload, compiled_text

SOURCE = """{
  "from": "{{fromNumber}}", "to": ["{{ toNumber }}"],
  "text": "<{{message}}>", "again": {{ message }},
  "{{ message }}": {{ content }}
}"""
HOSTILE = [
    '"',
    "\\",
    '\\"',
    "a\nb\r\tc\0d",
    "{{toNumber}}",
    "{% if x %}",
    '"}, {"to": "+33',
    "é𝄞\u2028</script>",
    "'",
    "{#",
    "",
]


def render(source: str, **values: Any) -> Any:
    return json.loads(Payload(source).render(values))


def problems(source: str) -> list[str]:
    return [error.message for error in check_message_payload(source)]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_stays_as_it_was_typed(value: str) -> None:
    assert render(SOURCE, fromNumber=value, toNumber=value, message=value) == {
        "from": value,
        "to": [value],
        "text": f"<{value}>",
        "again": value,
        value: None,
    }


characters = st.characters(exclude_categories=["Cs"])


@given(st.text(characters), st.text(characters))
def test_any_text_comes_out_of_the_json_as_it_went_in(message: str, sender: str) -> None:
    made = render('{"a": "{{message}}{{fromNumber}}", "b": {{ message }}}', message=message, fromNumber=sender)
    assert made == {"a": message + sender, "b": message}


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(characters, max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(characters, max_size=5), inner, max_size=3),
    max_leaves=9,
)


@given(values)
def test_structured_content_is_json_where_it_stands_alone_and_text_within_a_string(value: Any) -> None:
    made = render('{"alone": {{ content }}, "text": "{{ content|tojson }}"}', content=value)
    assert made["alone"] == value
    assert json.loads(made["text"]) == value


@given(st.text(max_size=20), st.text(alphabet='"\\{}%a :,', max_size=25))
def test_no_template_lets_a_value_out_of_its_place(value: str, around: str) -> None:
    """Whatever stands around it: the shape of what comes out does not depend on the value."""
    try:
        payload = Payload(f'{{"a": "{around}{{{{message}}}}"}}')
        plain, hostile = payload.render({"message": "x"}), payload.render({"message": value})
    except (ConfigError, PayloadFailed):
        return
    assert list(json.loads(plain)) == list(json.loads(hostile))


def test_half_a_surrogate_pair_is_no_character_and_two_halves_are_one() -> None:
    assert render('{"a": "{{message}}"}', message="x\ud800y") == {"a": "x\ufffdy"}
    assert render('{"a": "{{message}}"}', message="\ud834\udd1e") == {"a": "𝄞"}


def test_numbers_and_nothing_within_a_string() -> None:
    made = render('{"a": "n{{ delivery.id }}", "b": "{{ profile.city }}", "c": {{ profile.city }}}', delivery={"id": 7})
    assert made == {"a": "n7", "b": "", "c": None}


def test_conditions_and_lists_make_the_shape_that_a_provider_wants() -> None:
    source = """{"cards": [{% for card in content.cards %}{"t": "{{ card.title }}"}
        {%- if not loop.last %}, {% endif %}{% endfor %}]{% if profile.vip == "yes" %}, "vip": true{% endif %}}"""
    cards = {"cards": [{"title": 'A "a"'}, {"title": "B"}]}
    assert render(source, content=cards, profile={"vip": "yes"}) == {"cards": [{"t": 'A "a"'}, {"t": "B"}], "vip": True}


def test_the_placeholders_of_the_manual_and_their_other_names() -> None:
    for source in (
        '{"a": "{{fromNumber}}{{toNumber}}{{message}}"}',
        '{"a": "{{ sender }}", "b": [{{ number }}, {{ content }}]}',
    ):
        assert problems(source) == []


def test_an_unknown_name_is_named_with_line_and_column() -> None:
    (problem,) = problems('{"to": "{{toNumber}}",\n "text": "{{message}} {{ mesage }}"}')
    assert problem.startswith("line 2, column 26: there is no value mesage; there are toNumber, ")
    (problem,) = problems('{"to": "{{toNumber}}", "text": "{{message}}", "d": "{{ delivery.label }}"}')
    assert problem == "line 1, column 56: there is no value delivery.label; there are delivery.id and delivery.name"


def test_what_every_message_needs_must_be_mentioned() -> None:
    assert problems('{"to": "{{toNumber}}"}') == ["mentions no {{message}}: every message would be the same"]
    assert problems('{"text": "{{message}}"}') == ["mentions no {{toNumber}}: every message would be the same"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('{"a": "{{toNumber}}",\n "b": {{message}} "c"}', "line 2, column "),
        ('{"a": {{toNumber}}, "b": {{message}}', "is not JSON"),
        ('{"a": "{{toNumber}}", "b": "{{message}"}', "line 1, column "),
        ('{"a": "{{toNumber}}", "b": "{% if x %}{{message}}"}', "line 1"),
        ('{"a": "{{toNumber|safe}}", "b": "{{message}}"}', "there is no filter safe"),
        ('{"a": "{{toNumber}}", "b": "{{message * 99}}"}', "cannot multiply"),
        ('{"a": "{{range(9)}}", "b": "{{message}}"}', "cannot call functions"),
        ('{"a": "{% set a = 1 %}{{toNumber}}", "b": "{{message}}"}', "may stand between {% and %}"),
        ('{"a": "{% include "x" %}{{toNumber}}", "b": "{{message}}"}', "may stand between {% and %}"),
        ('{"a": "\\{{toNumber}}", "b": "{{message}}"}', "a backslash stands right before a value"),
        ("x" * 20_001, "at most 20000 characters"),
        ("{{toNumber}}\0{{message}}", "NUL"),
        ("{{toNumber}}\ud800{{message}}", "surrogate"),
        ("", "mentions no"),
    ],
)
def test_a_payload_that_cannot_work_is_refused_when_it_is_saved(source: str, said: str) -> None:
    assert said in problems(source)[0]


def test_a_payload_that_breaks_with_other_values_only_is_found_out() -> None:
    source = '{"a": "{{toNumber}}", "b": "{{message}}" {% if content %} "c": 1 {% endif %}}'
    assert problems(source)[0].startswith("for a message with RCS content: the payload is not JSON: line 1, column ")


@pytest.mark.parametrize(
    "source",
    [
        "[{% for a in message %}{% for b in message %}{% for c in message %}1,{% endfor %}{% endfor %}{% endfor %}1]",
        "[{% for a in [1, 2] recursive %}{{ loop([1, 2]) }}{% endfor %}]",
    ],
)
def test_a_loop_without_end_is_stopped(source: str) -> None:
    with pytest.raises((PayloadFailed, ConfigError)):
        Payload(source).render({"message": "x" * 10_000})


def test_a_payload_that_grows_without_end_is_stopped() -> None:
    source = '["{% for a in profile.l %}{{ message }}{% endfor %}"]'
    with pytest.raises(PayloadFailed, match="longer than 1000000 characters"):
        Payload(source).render({"message": "x" * 10_000, "profile": {"l": [1] * 1000}})


@pytest.mark.parametrize(
    "expression", ["message|int", "message|float", "message + 1", "message|round", "message|abs", "message.x.y"]
)
def test_what_went_wrong_never_quotes_the_text(expression: str) -> None:
    try:
        Payload(f"[{{{{ {expression} }}}}]").render({"message": "s3cret words"})
    except PayloadFailed as error:
        assert "s3cret" not in str(error)


@given(st.text(max_size=40) | st.text(alphabet='{}%#|"\\ ab\n', max_size=40))
def test_any_text_is_a_payload_or_says_what_is_wrong(source: str) -> None:
    assert problems(source)


def test_a_header_is_one_line_whatever_its_values_hold() -> None:
    header = compiled_text("id={{ message_id }}; to={{ toNumber }}{{ content }}")
    assert header.line({"message_id": "7", "toNumber": '+33"\r\nX-Evil: 1'}) == 'id=7; to=+33"  X-Evil: 1'
    assert compiled_text("{{ nope }}").unknown(VARIABLES)[0].startswith("line 1, column 4: there is no value nope")
