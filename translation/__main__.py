"""Brings the catalogues up to the sources and compiles them: `make messages`, or `python -m translation [app …]`."""

import sys
from collections.abc import Iterable
from pathlib import Path

from translation import sentence
from translation.catalogue import Key, Translations, merged, mo, po, read
from translation.source import ROOT, apps

WORDS = "words"
"""The name of the catalogue of what is said outside Django."""


def write(path: Path, keys: Iterable[Key], others: list[Translations]) -> int:
    """Write a catalogue, both forms of it, where they change; how many entries have no French."""
    entries = merged(keys, read(path), others)
    if entries or path.exists():
        _write(path, po(entries).encode())
        _write(path.with_suffix(".mo"), mo(entries))
    missing = [key.text for key, forms in entries.items() if not all(forms)]
    if missing:
        sys.stdout.write(f"{path.relative_to(ROOT)}: {len(missing)} without French\n")
    return len(missing)


def _write(path: Path, octets: bytes) -> None:
    if path.exists() and path.read_bytes() == octets:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(octets)
    sys.stdout.write(f"{path.relative_to(ROOT)}\n")


def main(names: list[str]) -> int:
    """Those catalogues, or all of them; 1 where French is missing, 2 where there is no such app."""
    known = {app.name: app for app in apps()}
    unknown = [name for name in names if name not in known and name != WORDS]
    if unknown:
        sys.stderr.write(f"no app {', '.join(unknown)}; there are {', '.join([*known, WORDS])}\n")
        return 2
    everything = [read(app.po) for app in known.values()]
    missing = sum(write(app.po, app.keys(), everything) for name, app in known.items() if name in names or not names)
    if WORDS in names or not names:
        missing += write(sentence.PO, map(Key, sentence.sentences()), [])
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
