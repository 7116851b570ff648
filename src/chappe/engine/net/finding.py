"""What a check found, in plain words."""

from typing import Literal

import msgspec

Level = Literal["ok", "warning", "error"]


class Finding(msgspec.Struct, frozen=True):
    """`text` is for people: what was found and, where something is wrong, what to do. Never a secret."""

    level: Level
    text: str


class Report:
    """Findings in the order of the check. `about` goes before each while it is set: which of two connections."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.about = ""

    def ok(self, text: str) -> None:
        self._add("ok", text)

    def warning(self, text: str) -> None:
        self._add("warning", text)

    def error(self, text: str) -> None:
        self._add("error", text)

    def _add(self, level: Level, text: str) -> None:
        # Ids and names are the provider's, and may hold what a terminal would obey.
        shown = "".join(character if character.isprintable() else "·" for character in text)
        self.findings.append(Finding(level, f"{self.about}: {shown}" if self.about else shown))
