"""Senders as providers want them written: a number, a short code or a name."""

import re

NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 &._+-]{1,11}")
_DIGITS = re.compile(r"[0-9]{3,15}")


def is_name(text: str) -> bool:
    """Whether it is an alphanumeric sender: at most 11 characters (3GPP TS 23.040, 9.1.2.5), a letter among them."""
    return NAME.fullmatch(text) is not None


def bare(text: str) -> str:
    """A number without the + or 00 before its country code; short codes and names as they are."""
    if text.startswith("+"):
        return text[1:]
    return text[2:] if text.startswith("00") and text.isdigit() else text


def bare_problem(text: str) -> str | None:
    """What is wrong with a sender where numbers are to be given without + and 00."""
    if not text or is_name(text):
        return None
    if text.startswith(("+", "00")):
        return "has + or 00 before the country code; expected the number without it, such as 35312345678"
    if _DIGITS.fullmatch(text):
        return None
    if any(c.isalpha() for c in text):
        return "is no sender name; expected at most 11 letters (without accents), digits and spaces"
    return "is no number; expected the digits of a number with its country code, such as 35312345678, or a name"
