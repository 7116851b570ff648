"""Requests and answers as people read them: a first line, headers, and a body that is set out where it is JSON."""

import json
from dataclasses import dataclass

LONGEST_BODY = 20_000


@dataclass(frozen=True)
class Told:
    """A request or an answer. `first` is its method and address, or its status; "" where that stands elsewhere."""

    first: str
    headers: tuple[tuple[str, str], ...]
    body: str

    @property
    def is_empty(self) -> bool:
        return not (self.first or self.headers or self.body)


def told(text: str, *, has_first_line: bool) -> Told:
    """Of the text that is kept: a first line or none, headers, an empty line, the body."""
    head, _, body = text.partition("\n\n")
    lines = head.split("\n")
    first = lines.pop(0) if has_first_line and lines else ""
    pairs = [line.partition(":") for line in lines if line.strip()]
    return Told(first, tuple((name.strip(), value.strip()) for name, _, value in pairs), set_out(body))


def set_out(body: str) -> str:
    """JSON with a member a line; anything else, and what was cut off, as it is."""
    if body.lstrip()[:1] in ("{", "["):
        try:
            return json.dumps(json.loads(body), indent=2, ensure_ascii=False)[:LONGEST_BODY]
        except (ValueError, RecursionError):
            pass
    return body[:LONGEST_BODY]
