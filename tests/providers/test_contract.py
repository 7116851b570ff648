from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.messaging import Channel, ConfigError, FieldError
from chappe.providers.contract import Choice, ProviderSpec, Setting, Settings, SettingType, applies, plain

T = SettingType


def between(settings: Settings) -> list[FieldError]:
    return [FieldError("most", "must not be below least")] if settings["most"] < settings["least"] else []


SPEC = ProviderSpec(
    key="acme",
    label="Acme",
    channels=frozenset({Channel.SMS}),
    summary="What Acme is.",
    check=between,
    settings=(
        Setting("name", T.TEXT, "Generic", "Name", "Who it is.", required=True, minimum=2, maximum=8, group="Who"),
        Setting("token", T.PASSWORD, "", "Token", group="Who"),
        Setting("hint", T.TEXT, "", secret=True, group="Who"),
        Setting("least", T.INTEGER, 1, minimum=0, maximum=10, group="How much", unit="messages"),
        Setting("most", T.INTEGER, 5, minimum=0, group="How much"),
        Setting("maybe", T.INTEGER, None, maximum=9, group="How much"),
        Setting("rate", T.NUMBER, 0.5, minimum=0.1, maximum=1, group="How much"),
        Setting("is_on", T.BOOLEAN, False, group="How"),
        Setting("mode", T.CHOICE, choices=(Choice("slow", "slowly"), Choice("fast", "at once")), group="How"),
        Setting("reason", T.TEXT, "", required=True, applies_when=("mode", "fast"), group="How"),
        Setting("find", T.PATTERN, r"id:(\w+)", groups=1, required=True, group="How"),
        Setting("look", T.PATTERN, "", group="How"),
        Setting(
            "table",
            T.TABLE,
            ({"code": 7},),
            minimum=1,
            maximum=2,
            group="How",
            columns=(
                Setting("code", T.INTEGER, required=True, minimum=0, maximum=255),
                Setting("word", T.TEXT, "", check=lambda word: "expected no spaces" if " " in word else None),
            ),
        ),
    ),
)


def errors_of(values: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        SPEC.parse(values)
    return {error.field: error.message for error in caught.value.errors}


def test_nothing_given_gives_the_defaults() -> None:
    assert SPEC.parse({}) == {
        "name": "Generic",
        "token": "",
        "hint": "",
        "least": 1,
        "most": 5,
        "maybe": None,
        "rate": 0.5,
        "is_on": False,
        "mode": "slow",
        "reason": "",
        "find": r"id:(\w+)",
        "look": "",
        "table": ({"code": 7, "word": ""},),
    }


def test_texts_of_a_form_become_typed_values() -> None:
    parsed = SPEC.parse({"least": "3", "rate": "0.25", "is_on": "on", "maybe": " ", "table": [{"code": "9"}]})
    assert (parsed["least"], parsed["rate"], parsed["is_on"], parsed["maybe"]) == (3, 0.25, True, None)
    assert parsed.rows("table")[0]["code"] == 9


def test_parsing_what_was_parsed_changes_nothing() -> None:
    parsed = SPEC.parse({"least": "3", "table": [{"code": 1, "word": "x"}]})
    assert SPEC.parse(plain(parsed)) == parsed


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", 5, "expected a text"),
        ("name", "x", "expected at least 2 characters"),
        ("name", "x" * 9, "expected at most 8 characters"),
        ("name", "a\0b", "expected a text without NUL characters"),
        ("least", "many", "expected a whole number from 0 to 10"),
        ("least", 11, "expected a whole number from 0 to 10"),
        ("least", -1, "expected a whole number from 0 to 10"),
        ("least", 1.5, "expected a whole number from 0 to 10"),
        ("least", True, "expected a whole number from 0 to 10"),
        ("most", -1, "expected a whole number of 0 or more"),
        ("most", "9" * 5000, "expected a whole number of 0 or more"),
        ("maybe", 10, "expected a whole number of 9 or less"),
        ("rate", "x", "expected a number from 0.1 to 1"),
        ("rate", float("nan"), "expected a number from 0.1 to 1"),
        ("rate", float("inf"), "expected a number from 0.1 to 1"),
        ("rate", 2, "expected a number from 0.1 to 1"),
        ("is_on", "perhaps", "expected true or false"),
        ("is_on", 1, "expected true or false"),
        ("mode", "sideways", "expected one of: slow, fast"),
        ("find", "id:", "needs exactly one capture group (a part in parentheses), and has 0"),
        ("find", "(a)(b)", "needs exactly one capture group (a part in parentheses), and has 2"),
        ("find", "", "expected a regular expression"),
        ("look", "(", "is not a regular expression: missing ) at position 1"),
        ("table", "x", "expected a list of rows with code, word"),
        ("table", [1], "expected a list of rows with code, word"),
        ("table", [], "expected at least 1 row"),
        ("table", [{"code": 1}] * 3, "expected at most 2 rows"),
    ],
)
def test_error_says_what_was_expected(field: str, value: object, message: str) -> None:
    assert errors_of({field: value}) == {field: message}


def test_each_bad_field_is_named_rows_of_tables_included() -> None:
    rows = [{"code": 1, "word": "a b"}, {"word": "x", "colour": 1}]
    assert errors_of({"least": "x", "rates": 1, "table": rows}) == {
        "least": "expected a whole number from 0 to 10",
        "rates": "is not a setting; did you mean rate?",
        "table[0].word": "expected no spaces",
        "table[1].colour": "is not a setting",
        "table[1].code": "is needed",
    }


def test_required_field_is_needed_only_where_it_applies() -> None:
    assert errors_of({"mode": "fast"}) == {"reason": "is needed"}
    assert SPEC.parse({"mode": "fast", "reason": "hurry"})["reason"] == "hurry"
    assert not applies(SPEC.setting("reason"), SPEC.parse({}))


def test_fields_are_checked_against_each_other() -> None:
    assert errors_of({"least": 6}) == {"most": "must not be below least"}


def test_secrets_are_kept_apart_and_never_shown() -> None:
    values = {"name": "Acme", "token": "hush", "hint": "mum"}
    assert SPEC.secrets == {"token", "hint"}
    assert SPEC.split(values) == ({"name": "Acme"}, {"token": "hush", "hint": "mum"})
    shown = repr(SPEC.parse(values))
    assert "hush" not in shown
    assert "mum" not in shown


LOCKING = ProviderSpec(
    key="locking",
    label="Locking",
    channels=frozenset({Channel.SMS}),
    settings=(
        Setting("token", T.PASSWORD, ""),
        Setting(
            "headers",
            T.TABLE,
            locks="value",
            columns=(Setting("label", required=True), Setting("value"), Setting("locked", T.BOOLEAN)),
        ),
    ),
)
HEADERS = [
    {"label": "Accept", "value": "text/plain"},
    {"label": "X-Key", "value": "hush", "locked": True},
]


def test_a_locked_value_is_a_secret_and_the_two_halves_make_the_whole_again() -> None:
    parsed = LOCKING.parse({"headers": HEADERS})
    assert "hush" not in repr(parsed)
    public, secret = LOCKING.split(parsed)
    assert secret == {"token": "", "headers[X-Key]": "hush"}
    assert "hush" not in str(public)
    assert LOCKING.parse({**public, **secret}) == parsed


def test_the_secret_of_a_row_goes_with_its_row() -> None:
    _, secret = LOCKING.split(LOCKING.parse({"headers": HEADERS}))
    for rows in ([], HEADERS[:1], [{"label": "X-Other", "locked": "on"}]):
        assert "hush" not in str(LOCKING.split(LOCKING.parse({**secret, "headers": rows})))
    assert LOCKING.parse(secret)["headers"] == ()


def test_what_is_shown_of_a_locked_value_is_a_mask_and_writing_it_back_keeps_it() -> None:
    public, secret = LOCKING.split(LOCKING.parse({"headers": HEADERS}))
    shown = LOCKING.shown(public, secret, "***")
    assert shown["token"] == ""
    assert [row["value"] for row in shown["headers"]] == ["text/plain", "***"]
    moved = {**shown, "headers": [*reversed(shown["headers"])]}
    assert [row["value"] for row in LOCKING.parse(LOCKING.unmasked(moved, secret, "***")).rows("headers")] == [
        "hush",
        "text/plain",
    ]
    assert [row["value"] for row in LOCKING.shown(public, None, "***")["headers"]] == ["text/plain", "***"]


@pytest.mark.parametrize(
    "row",
    [
        {"label": "X-Key", "value": "***", "locked": False},
        {"label": "X-Key", "value": "***"},
        {"label": "X-Other", "value": "***", "locked": True},
    ],
)
def test_a_mask_gives_no_secret_to_a_row_that_is_open_or_another(row: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        LOCKING.unmasked({"headers": [row]}, {"headers[X-Key]": "hush"}, "***")
    assert [error.field for error in caught.value.errors] == ["headers[0].value"]


def test_two_locked_rows_of_one_name_could_not_be_told_apart() -> None:
    with pytest.raises(ConfigError, match="another row"):
        LOCKING.parse({"headers": [HEADERS[1], HEADERS[1]]})


@given(st.lists(st.fixed_dictionaries({"label": st.text(min_size=1), "value": st.text(), "locked": st.booleans()})))
def test_locked_values_are_never_in_the_public_half(rows: list[dict[str, Any]]) -> None:
    try:
        parsed = LOCKING.parse({"headers": rows})
    except ConfigError:
        return
    public, secret = LOCKING.split(parsed)
    assert all("value" not in row for row in public["headers"] if row["locked"])
    assert LOCKING.parse({**public, **secret}) == parsed


def test_typed_getters_give_their_type() -> None:
    parsed = SPEC.parse({})
    assert (parsed.text("name"), parsed.integer("least"), parsed.number("least"), parsed.flag("is_on")) == (
        "Generic",
        1,
        1.0,
        False,
    )
    with pytest.raises(AssertionError):
        parsed.integer("name")


def test_reference_page_names_every_setting() -> None:
    page = SPEC.reference()
    assert page.startswith("# Settings of Acme\n\nWhat Acme is.\n\n## Who\n")
    for setting in SPEC.settings:
        assert f"### `{setting.name}`" in page
    assert "Whole number from 0 to 10; in messages; default: `1`." in page
    assert "counts when `mode` is `fast`" in page
    assert "| `code` |" in page
    assert "secret: never shown again once saved" in page


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([setting.name for setting in SPEC.settings] + ["other"]), json))
def test_any_values_are_settings_or_a_config_error(values: dict[str, object]) -> None:
    try:
        parsed = SPEC.parse(values)
    except ConfigError as error:
        assert error.errors
    else:
        assert set(parsed) == set(SPEC.defaults())
