"""A CSV file as rows: encoding and delimiter found out, broken rows told with their line, memory bounded by a row."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from chappe.features.refusal import InvalidInput

DELIMITERS = (",", ";", "\t", "|")
ENCODINGS = ("utf-8", "cp1252", "latin-1")
LONGEST_CELL = 1000
MOST_COLUMNS = 200

_SAMPLE_OCTETS = 256 * 1024
_LONGEST_LINE = 128 * 1024  # also what the csv module takes as one cell
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
# What `surrogateescape` leaves of octets that are not text.
_UNDECODED = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True)
class RowError:
    """What is wrong with one row. `field` is the column's name, empty where the row as a whole is broken."""

    line: int
    field: str
    message: str


@dataclass(frozen=True)
class Row:
    line: int
    cells: list[str]


class CsvFile:
    """Reads `stream` once. After construction `header` holds the names of the columns as the file spells them.

    Raises InvalidInput (field "file", "encoding" or "delimiter") for what is no such file.
    """

    def __init__(self, stream: BinaryIO, encoding: str | None = None, delimiter: str | None = None) -> None:
        if encoding and encoding not in ENCODINGS:
            raise InvalidInput.at("encoding", f"must be one of {', '.join(ENCODINGS)}")
        if delimiter and delimiter not in DELIMITERS:
            raise InvalidInput.at("delimiter", "must be a comma, a semicolon, a tab or a vertical bar")
        sample = stream.read(_SAMPLE_OCTETS)
        _check_sample(sample)
        self._lines = _Lines(stream, sample.removeprefix(_BOM), encoding or _encoding_of(sample))
        self.delimiter = delimiter or _delimiter_of(sample)
        self._reader = csv.reader(self._lines, delimiter=self.delimiter, strict=False)
        self.header = self._read_header()

    @property
    def encoding(self) -> str:
        """What the file was read as so far: a file of plain ASCII is UTF-8."""
        return self._lines.encoding or "utf-8"

    def rows(self) -> Iterator[Row | RowError]:
        """Every row behind the header, blank lines left out."""
        columns = len(self.header)
        while True:
            line = self._reader.line_num + 1
            self._lines.problem = ""
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield RowError(line, "", _words(error))
                continue
            if self._lines.problem:
                yield self._broken(line, cells)
            elif len(cells) == columns:
                yield Row(line, cells)
            elif cells:
                yield RowError(line, "", f"has {len(cells)} cells, and the header has {columns}")

    def _broken(self, line: int, cells: Sequence[str]) -> RowError:
        for name, cell in zip(self.header, cells, strict=False):
            if "\0" in cell:
                return RowError(line, name, "holds a NUL character")
            if _UNDECODED.search(cell):
                return RowError(line, name, f"is not text in {self.encoding}")
        return RowError(line, "", self._lines.problem)

    def _read_header(self) -> list[str]:
        try:
            cells = next((cells for cells in self._reader if cells), [])
        except csv.Error as error:
            raise InvalidInput.at("file", f"the header cannot be read: {_words(error)}") from None
        if not any(cell.strip() for cell in cells) or self._lines.problem:
            raise InvalidInput.at("file", "the first line must be a header that names the columns")
        if len(cells) > MOST_COLUMNS:
            raise InvalidInput.at("file", f"has more than {MOST_COLUMNS} columns")
        return [cell.strip() for cell in cells]


class _Lines:
    """The lines of a file as text. `problem` is set when one of them is no text, until somebody clears it."""

    def __init__(self, stream: BinaryIO, start: bytes, encoding: str) -> None:
        self._stream = stream
        self._start = _cut(start)[::-1]
        self.encoding = encoding
        self.problem = ""

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._next_line()
        if not line:
            raise StopIteration
        if len(line) >= _LONGEST_LINE and not line.endswith(b"\n"):
            self._drop_rest_of_line()
            self.problem = f"a line has more than {_LONGEST_LINE} octets"
            return "\n"
        if b"\0" in line:
            self.problem = "holds a NUL character"
        return self._decode(line)

    def _next_line(self) -> bytes:
        if not self._start:
            return self._stream.readline(_LONGEST_LINE)
        line = self._start.pop()
        if self._start or line.endswith(b"\n"):
            return line
        # The sample ended within this line.
        return line + self._stream.readline(max(1, _LONGEST_LINE - len(line)))

    def _drop_rest_of_line(self) -> None:
        while (piece := self._stream.readline(_LONGEST_LINE)) and not piece.endswith(b"\n"):
            pass

    def _decode(self, line: bytes) -> str:
        if line.isascii():
            return line.decode("ascii")
        if not self.encoding:  # nothing but ASCII so far: the first other line decides
            self.encoding = _fitting(line)
        text = line.decode(self.encoding, "surrogateescape")
        if _UNDECODED.search(text):
            self.problem = f"is not text in {self.encoding}"
        return text


def _cut(octets: bytes) -> list[bytes]:
    """Lines by their line feeds alone, as `readline` cuts them; the last has none and may be empty."""
    return [line + b"\n" for line in octets.split(b"\n")[:-1]] + [octets[octets.rfind(b"\n") + 1 :]]


def _check_sample(sample: bytes) -> None:
    if not sample.strip():
        raise InvalidInput.at("file", "is empty")
    if sample.startswith(_UTF16):
        raise InvalidInput.at("file", "is UTF-16; save it as CSV in UTF-8")
    if b"\n" not in sample and b"\r" in sample:
        raise InvalidInput.at("file", "has lines that end in a carriage return alone; save it as CSV in UTF-8")


def _encoding_of(sample: bytes) -> str:
    """The sample's encoding; "" while it is all ASCII."""
    if sample.startswith(_BOM):
        return "utf-8"
    if sample.isascii():
        return ""
    # The sample may end within a character: only whole lines tell.
    return _fitting(sample[: sample.rfind(b"\n") + 1] or sample)


def _fitting(octets: bytes) -> str:
    for encoding in ("utf-8", "cp1252"):
        try:
            octets.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    # Neither: a file of UTF-8 with a broken line has more letters that are right than any other reading gives it.
    good = len(re.findall(rb"[\xc2-\xf4][\x80-\xbf]+", octets))
    return "utf-8" if good * 2 > len(re.findall(rb"[\x80-\xff]+", octets)) else "latin-1"


def _delimiter_of(sample: bytes) -> str:
    """The delimiter that cuts the header and the lines behind it into the same number of cells, and into the most."""
    lines = sample.removeprefix(_BOM).decode("latin-1").split("\n")[:20]
    if len(lines) > 1:
        lines.pop()  # it may be cut short
    return max(DELIMITERS, key=lambda delimiter: _score(lines, delimiter))


def _score(lines: list[str], delimiter: str) -> tuple[float, int]:
    try:
        widths = [len(cells) for cells in csv.reader(lines, delimiter=delimiter) if cells]
    except csv.Error:
        return (0.0, 0)
    if not widths or widths[0] < 2:
        return (0.0, 0)
    return (sum(width == widths[0] for width in widths) / len(widths), widths[0])


def _words(error: csv.Error) -> str:
    if "field larger" in str(error):
        return f"a cell has more than {_LONGEST_LINE} characters: is a quotation mark left open?"
    if "new-line character" in str(error):
        return "holds a carriage return outside of quotation marks"
    return "is not CSV"
