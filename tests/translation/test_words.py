"""What providers, rules and the engine say in English is told in the language of whoever reads it."""

from collections.abc import Iterator

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from chappe.engine.net.diagnosis import NOT_TRUSTED, connect_words, silence_words
from chappe.features.words import HOLE, LONGEST, MARKS, localised
from chappe.messaging import ConfigError
from chappe.providers.contract import Setting, SettingType
from chappe.providers.registry import HTTP, PROVIDERS
from chappe.rules.smpp_status import STATUSES, status_of
from translation import sentence
from translation.catalogue import read

FRENCH = {key.text: forms[0] for key, forms in read(sentence.PO).items()}
SENTENCES = sorted(set(FRENCH) - set(MARKS))


@pytest.fixture(autouse=True)
def french() -> Iterator[None]:
    with translation.override("fr"):
        yield


def filled(text: str) -> str:
    return HOLE.sub(lambda hole: f"7{hole[1]}7" if hole[1] else f"V{hole[2]}X", text)


def is_told(text: str) -> bool:
    """Some words are the same in both languages."""
    return localised(text) != text or FRENCH.get(text) == text


def test_every_sentence_is_told_in_french_with_its_values_in_place() -> None:
    wrong = {text: localised(filled(text)) for text in SENTENCES if localised(filled(text)) != filled(FRENCH[text])}
    assert not wrong


def test_to_english_readers_nothing_is_changed() -> None:
    with translation.override("en"):
        assert [text for text in SENTENCES if localised(filled(text)) != filled(text)] == []


def declared(settings: tuple[Setting, ...]) -> Iterator[str]:
    for setting in settings:
        yield from (setting.label, setting.help, setting.group, setting.unit)
        yield from (choice.label for choice in setting.choices)
        yield from declared(setting.columns)


@pytest.mark.parametrize("key", PROVIDERS)
def test_every_setting_of_a_provider_is_explained_in_french(key: str) -> None:
    spec = PROVIDERS[key]
    texts = [spec.label, spec.summary, *(feature.value for feature in spec.features), *declared(spec.settings)]
    assert not [text for text in texts if text and not is_told(text)]


@pytest.mark.parametrize("key", HTTP)
def test_how_a_provider_is_set_up_is_told_in_french(key: str) -> None:
    adapter = HTTP[key]
    texts = [*adapter.HOOK_SETUP, *adapter.QUIRKS, adapter.HOOK_PROOF, *adapter.REFUSALS.values()]
    texts += adapter.ACCOUNT_TROUBLE.values()
    assert not [text for text in texts if text and not is_told(text)]


def bad_values(setting: Setting) -> list[object]:
    if setting.type is SettingType.TABLE:
        return ["", [{"?": 1}], [{}] * 1000]
    return [[], "\0 | é http:", "(", "x" * 100_000, -1, 10**12]


@pytest.mark.parametrize("key", PROVIDERS)
def test_whatever_is_wrong_with_a_setting_is_told_in_french(key: str) -> None:
    spec = PROVIDERS[key]
    for setting in spec.settings:
        for value in bad_values(setting):
            with pytest.raises(ConfigError) as refused:
                spec.parse({setting.name: value, "nowhere": 1})
            assert not [error.message for error in refused.value.errors if not is_told(error.message)]


def test_every_status_of_the_standard_is_told_in_french() -> None:
    assert not [status.words for status in STATUSES.values() if not is_told(status.words)]
    assert localised(status_of(0x42B).words) == "l\u2019erreur 0x0000042B, propre au fournisseur"


def test_the_diagnosis_of_a_connection_is_told_in_french() -> None:
    place = "smsc.example.org:2775"
    texts = [connect_words(error, place, 10) for error in (TimeoutError(), ConnectionRefusedError(), OSError("x"))]
    texts += [silence_words(octets, has_tls=False) for octets in (b"", b"HTTP/1.1", b"SSH-2", b"\x16\x03", b"?")]
    texts += [f"TLS refused: the provider's certificate {words.rstrip('.')}." for words in NOT_TRUSTED.values()]
    for text in texts:
        told = localised(text)
        assert told != text and (place in told) is (place in text)
        assert not {"the", "and", "that", "is"} & set(told.split())


@pytest.mark.parametrize(
    ("english", "told"),
    [
        # Values are sentences, lists, labels, and words of ours
        ("the provider's queue is full, and so 3 times", "la file du fournisseur est pleine, et cela 3 fois"),
        (
            "The setting 'Server' (host): is needed.",
            "Le réglage «\u202fServeur\u202f» (host)\u202f: est à renseigner.",
        ),
        (
            "The delivery is draft; it can be paused while it is ready or sending.",
            "L\u2019envoi est en brouillon\u202f; "
            "il ne peut être mis en pause que s\u2019il est prêt ou en cours d\u2019envoi.",
        ),
        (
            "it answered 301, and redirects are not followed",
            "la réponse a été 301, et les redirections ne sont pas suivies",
        ),
        # As a whole sentence, in one with others, and behind its field
        ("The number is not valid.", "Le numéro n\u2019est pas valable."),
        (
            "host: is needed; port: expected a whole number from 1 to 65535",
            "host\u202f: est à renseigner\u202f; port\u202f: il faut un nombre entier de 1 à 65535",
        ),
        ("Transmitter: Logged out.", "Émetteur\u202f: Déconnecté."),
        # What people and providers wrote stays
        ("There is a list named Account already.", "Il existe déjà une liste nommée Account."),
        ("There is a list named Sales or {0} %(x)s already.", "Il existe déjà une liste nommée Sales or {0} %(x)s."),
        ("Account blocked by operator 17", "Account blocked by operator 17"),
    ],
)
def test_a_sentence_is_told_with_what_is_in_it(english: str, told: str) -> None:
    assert localised(english) == told


@given(st.text(max_size=200))
def test_any_value_stays_as_it_is(value: str) -> None:
    told = localised(f"There is a list named <{value}> already.")
    assert told == f"Il existe déjà une liste nommée <{value}>."


@given(st.text())
def test_any_text_is_told_or_left(text: str) -> None:
    assert isinstance(localised(text), str)


def test_a_text_that_is_too_long_for_a_sentence_is_left() -> None:
    text = "the provider's queue is full" + ", and so 3 times" * (LONGEST // 10)
    assert localised(text) == text
