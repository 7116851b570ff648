"""Catalogues: a `.po` for people, which merges well, and the `.mo` beside it, which is what gettext reads.

Both are written the same for the same content: sorted, without line numbers and dates, one string a line. There are no
"fuzzy" entries, and what the sources say no more is dropped.
"""

import io
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

LANGUAGE = "fr"
PLURALS = 2
HEADER = (
    f"Language: {LANGUAGE}\n"
    "MIME-Version: 1.0\n"
    "Content-Type: text/plain; charset=utf-8\n"
    "Content-Transfer-Encoding: 8bit\n"
    f"Plural-Forms: nplurals={PLURALS}; plural=(n > 1);\n"
)
MO_MAGIC = 0x950412DE


@dataclass(frozen=True, order=True)
class Key:
    """What is looked up: the English, its plural where there is one, and what tells two of the same words apart."""

    text: str
    plural: str = ""
    context: str = ""

    @property
    def forms(self) -> int:
        return PLURALS if self.plural else 1


Translations = Mapping[Key, tuple[str, ...]]
"""The French of each form; "" where there is none yet."""


def read(path: Path) -> dict[Key, tuple[str, ...]]:
    """The entries of a `.po`; empty where there is no such file."""
    if not path.exists():
        return {}
    with path.open("rb") as file:
        return dict(_entries(read_po(file, locale=LANGUAGE)))


def _entries(catalog: Catalog) -> Iterator[tuple[Key, tuple[str, ...]]]:
    for message in catalog:
        if not message.id:
            continue
        if isinstance(message.id, str):
            yield Key(message.id, "", message.context or ""), (str(message.string or ""),)
        else:
            forms = tuple(message.string) if message.string else ("",) * PLURALS
            yield Key(message.id[0], message.id[1], message.context or ""), forms


def merged(keys: Iterable[Key], old: Translations, others: Iterable[Translations] = ()) -> dict[Key, tuple[str, ...]]:
    """`keys` with what `old` says of them, or one of the `others` where it says nothing: one English has one French."""
    return {key: _french(key, [old, *others]) for key in sorted(set(keys))}


def _french(key: Key, catalogues: list[Translations]) -> tuple[str, ...]:
    known = (catalogue[key] for catalogue in catalogues if key in catalogue)
    found = next((forms for forms in known if any(forms)), ("",) * key.forms)
    return tuple(typeset(form) for form in found)


def typeset(french: str) -> str:
    """With the apostrophe, and the narrow spaces that do not break, that French is printed with and keyboards lack."""
    french = re.sub(r"(?<=\w)'(?=[\w<%{«])", "\u2019", french).replace("...", "…")
    return re.sub(r"(?<=[^\s«]) (?=[:;!?»](?:\s|$|[.,)<]))|(?<=«) ", "\u202f", french)


def po(entries: Translations) -> str:
    """The text of the `.po`."""
    catalog = Catalog(locale=LANGUAGE, fuzzy=False)
    for key, forms in entries.items():
        catalog.add(
            (key.text, key.plural) if key.plural else key.text,
            forms if key.plural else forms[0],
            context=key.context or None,
        )
    written = io.BytesIO()
    write_po(written, catalog, width=0, omit_header=True, sort_output=True)
    lines = "".join(f'"{line}\\n"\n' for line in HEADER.splitlines())
    return f'msgid ""\nmsgstr ""\n{lines}\n' + written.getvalue().decode("utf-8").strip("\n") + "\n"


def mo(entries: Translations) -> bytes:
    """The octets of the `.mo`: two tables of lengths and offsets, and the strings, each with a NUL at its end.

    As https://www.gnu.org/software/gettext/manual/html_node/MO-Files.html has it, without the hash table, which is optional.
    """
    french = {_id(key): "\0".join(forms).encode() for key, forms in entries.items() if all(forms)}
    pairs = sorted({b"": HEADER.encode(), **french}.items())
    tables, strings = b"", b""
    start = 28 + 16 * len(pairs)
    for side in (0, 1):
        for pair in pairs:
            tables += struct.pack("<II", len(pair[side]), start + len(strings))
            strings += pair[side] + b"\0"
    head = struct.pack("<IIIIIII", MO_MAGIC, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 28 + 16 * len(pairs))
    return head + tables + strings


def _id(key: Key) -> bytes:
    context = f"{key.context}\x04" if key.context else ""
    return (context + (f"{key.text}\0{key.plural}" if key.plural else key.text)).encode()
