from chappe.providers import registry
from chappe.providers.smpp import SPEC


def test_provider_is_found_by_its_key() -> None:
    assert registry.spec("smpp") is SPEC
    assert registry.spec("twilio") is registry.HTTP["twilio"].SPEC
    assert all(key == spec.key for key, spec in registry.PROVIDERS.items())


def test_every_setting_has_words_for_people() -> None:
    for spec in registry.PROVIDERS.values():
        for setting in spec.settings:
            assert setting.label, setting.name
            assert setting.help.endswith((".", "…")), setting.name
            assert setting.group, setting.name
            assert all(choice.label for choice in setting.choices), setting.name
