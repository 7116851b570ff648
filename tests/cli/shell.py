"""The command line as a person uses it, within the test's process."""

import io
import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from chappe.cli.app import main


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shell:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: object, stdin: str = "") -> Result:
        """Run `chappe` with these arguments."""
        self._capsys.readouterr()
        with self._monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["chappe", *map(str, arguments)])
            patch.setattr(sys, "stdin", io.StringIO(stdin))
            code = 0
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
        written = self._capsys.readouterr()
        return Result(code, written.out, written.err)

    def done(self, *arguments: object, stdin: str = "") -> Result:
        """As a call, of a command that is expected to go well."""
        result = self(*arguments, stdin=stdin)
        assert result.code == 0, result
        return result
