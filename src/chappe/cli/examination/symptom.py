"""One thing found, and what to do about it."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Symptom:
    """`fix` is empty where nothing is wrong."""

    level: Level
    text: str
    fix: str = ""


def ok(text: str) -> Symptom:
    return Symptom("ok", text)


def warning(text: str, fix: str) -> Symptom:
    return Symptom("warning", text, fix)


def error(text: str, fix: str) -> Symptom:
    return Symptom("error", text, fix)
