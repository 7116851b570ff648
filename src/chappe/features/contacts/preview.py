"""What would be read of a file, before anything of it is imported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

from chappe.features.contacts.csv_file import CsvFile, Row, RowError
from chappe.features.contacts.importing import (
    Columns,
    Person,
    columns_of,
    guessed_columns,
    read_person,
    row_problem,
)
from chappe.features.contacts.phone import PhoneReader
from chappe.features.refusal import InvalidInput
from chappe.messaging import FieldError

ROWS = 20


@dataclass(frozen=True)
class Line:
    """A row of the file. `person` None: it is refused, because of `problem`, or the columns are not settled yet."""

    line: int
    cells: Sequence[str]
    person: Person | None = None
    problem: RowError | None = None

    @property
    def is_unread(self) -> bool:
        """Whether the number or the address was given and could not be read: nothing can be sent there."""
        person = self.person
        return person is not None and any(one and one[1] and not one[0] for one in (person.phone, person.email))

    @property
    def is_unreachable(self) -> bool:
        person = self.person
        return person is not None and not any(one and one[0] for one in (person.phone, person.email))


@dataclass(frozen=True)
class Preview:
    """The file's beginning. `columns` is what each column becomes, as `ImportOptions` has it; `errors` says why that cannot
    be."""

    encoding: str
    delimiter: str
    header: Sequence[str]
    columns: Sequence[str]
    lines: Sequence[Line]
    errors: Sequence[FieldError] = ()

    @property
    def refused(self) -> int:
        return sum(line.problem is not None for line in self.lines)

    @property
    def unread(self) -> int:
        return sum(line.is_unread for line in self.lines)


def preview(stream: BinaryIO, options: Mapping[str, Any], most: int = ROWS) -> Preview:
    """Raises InvalidInput for a file or options by which nothing can be read."""
    file = CsvFile(stream, options.get("encoding"), options.get("delimiter"))
    chosen = options.get("columns") or guessed_columns(file.header, options.get("phone_column"))
    reader = PhoneReader(options.get("default_region"))
    errors: Sequence[FieldError] = ()
    columns = None
    try:
        columns = columns_of(file.header, chosen=chosen)
    except InvalidInput as error:
        errors = error.errors
    lines = [_line(row, columns, reader) for row in islice(file.rows(), most)]
    return Preview(file.encoding, file.delimiter, file.header, chosen, lines, errors)


def _line(row: Row | RowError, columns: Columns | None, reader: PhoneReader) -> Line:
    if isinstance(row, RowError):
        return Line(row.line, (), problem=row)
    if columns is None:
        return Line(row.line, row.cells)
    problem = row_problem(row, columns)
    if problem is not None:
        return Line(row.line, row.cells, problem=problem)
    return Line(row.line, row.cells, read_person(row.cells, columns, reader))
