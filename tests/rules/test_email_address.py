"""E-mail addresses."""

import pytest

from chappe.rules.email_address import read_email


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("jane@example.org", "jane@example.org"),
        ("  Jane.Doe+shop@Mail.Example.ORG ", "jane.doe+shop@mail.example.org"),
        ("o'neil@example.co.uk", "o'neil@example.co.uk"),
        ("zoë@exämple.org", "zoë@exämple.org"),
        ("a@xn--exmple-cua.org", "a@xn--exmple-cua.org"),
    ],
)
def test_an_address_is_kept_in_small_letters(text: str, address: str) -> None:
    assert read_email(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "jane",
        "@example.org",
        "jane@",
        "jane@localhost",
        "jane@example.org, jo@example.org",
        "jane doe@example.org",
        "jane@example..org",
        ".jane@example.org",
        "jane.@example.org",
        "jane@-example.org",
        "jane@example.123",
        "jane@[192.0.2.1]",
        "<jane@example.org>",
        "jane@exam_ple.org",
        "jane\0@example.org",
        "jane@example.org\nBcc: jo@example.org",
        "j" * 65 + "@example.org",
        "jane@" + "a." * 125 + "org",
    ],
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert read_email(text) == ""
