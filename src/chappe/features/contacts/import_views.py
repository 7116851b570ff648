"""Files of people: uploaded, mapped, followed, and what of them was refused."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, cast

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chappe.features.accounts.right import Right
from chappe.features.clock import now_ms
from chappe.features.contacts import services
from chappe.features.contacts.csv_file import MOST_COLUMNS
from chappe.features.contacts.forms import DELIMITERS, MappingForm, UploadForm
from chappe.features.contacts.importing import MOST_ERRORS, RESERVED
from chappe.features.contacts.models import ContactImport, ContactImportError
from chappe.features.contacts.preview import Line, Preview
from chappe.features.contacts.services import ImportOptions
from chappe.features.mask import masked
from chappe.features.refusal import InvalidInput
from chappe.features.settings.services import settings_of
from chappe.features.stream import csv_line, download
from chappe.features.view import PageRequest, page
from chappe.features.words import localised

IMPORTS_OF_A_PAGE = 50
ERRORS_OF_A_PAGE = 50
ATTRIBUTES_SHOWN = 6
"""Of a person in the preview; the others are counted."""
SAMPLES = 3
CELLS_SHOWN = 12
LONGEST_SHOWN = 40
SHORTEST_NUMBER = 6
"""Digits in a cell that may be a telephone number."""


@page(Right.SEE_CONTACTS)
def imports(request: PageRequest) -> HttpResponseBase:
    found = services.imports_page(request.person.organisation_id, request.GET.get("cursor", ""), IMPORTS_OF_A_PAGE)
    return render(request, "contacts/imports.html", {"page": found})


@page(Right.MANAGE_CONTACTS)
def upload(request: PageRequest, list_id: int) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    found = services.find_list(organisation_id, list_id)
    initial = {"default_region": settings_of(organisation_id).region}
    form = UploadForm(request.POST or None, request.FILES or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        file, region = form.cleaned_data["file"], form.cleaned_data["default_region"]
        with form.refusals():
            options = ImportOptions(default_region=region or None)
            stream = cast(BinaryIO, file)
            row = services.keep_file(organisation_id, list_id, stream, options, file.name, now_ms())
            return redirect("contacts:import", row.pk)
    return render(request, "contacts/upload.html", {"list": found, "form": form})


@page(Right.SEE_CONTACTS, change=Right.MANAGE_CONTACTS)
def show_import(request: PageRequest, import_id: int) -> HttpResponseBase:
    """What came of a file; or, before it is imported, what its columns are."""
    row = services.find_import(request.person.organisation_id, import_id)
    if row.status == "mapping" and request.person.may(Right.MANAGE_CONTACTS):
        return _mapped(request, row) if request.method == "POST" else _mapping_page(request, row, None)
    if request.method == "POST":
        return redirect("contacts:import", import_id)
    errors = services.import_errors_page(
        row.organisation_id, import_id, request.GET.get("cursor", ""), ERRORS_OF_A_PAGE
    )
    values = {"import": row, "page": errors, "most_errors": MOST_ERRORS}
    return render(request, "contacts/import.html", values)


@page(Right.MANAGE_CONTACTS)
@require_POST
def discard(request: PageRequest, import_id: int) -> HttpResponseBase:
    row = services.find_import(request.person.organisation_id, import_id)
    services.discard_import(row.organisation_id, import_id)
    messages.success(request, _("The file is thrown away. Nothing of it was imported."))
    return redirect("contacts:list", row.list_id)


@page(Right.SEE_CONTACTS)
def errors_file(request: PageRequest, import_id: int) -> HttpResponseBase:
    row = services.find_import(request.person.organisation_id, import_id)
    errors = services.every_import_error(row.organisation_id, import_id)
    name = f"chappe-import-{row.pk}-refused.csv"
    return download(request, _error_lines(errors), name, "text/csv; charset=utf-8")


def _error_lines(errors: Iterator[ContactImportError]) -> Iterator[str]:
    yield csv_line([_("Line"), _("Column"), _("Why")])
    for error in errors:
        yield csv_line([str(error.line), error.field, localised(error.message)])


# -- columns ---------------------------------------------------------------------------------------------------------


def _mapped(request: PageRequest, row: ContactImport) -> HttpResponseBase:
    """What was typed is noted; with the button to start it is also begun, where nothing stands against it."""
    form = MappingForm(request.POST, width=_width(request.POST.get("width", "")))
    if not form.is_valid():
        return _mapping_page(request, row, form)
    before = services.preview_of(row)
    with form.refusals():
        options = form.options()
        read_as = (options.encoding or before.encoding, options.delimiter or before.delimiter)
        if read_as != (before.encoding, before.delimiter) and _has_other_columns(row, before, options):
            messages.info(request, _("Read like this, the file has other columns. Look at them before you start."))
        else:
            _note_columns(row, options, starts="start" in request.POST)
    if not form.is_refused:
        return redirect("contacts:import", row.pk)
    row.refresh_from_db()
    return _mapping_page(request, row, form)


def _has_other_columns(row: ContactImport, before: Preview, options: ImportOptions) -> bool:
    """Whether the file is cut up otherwise now; what its columns become is then guessed anew."""
    unmapped = replace(options, columns=None)
    return services.map_columns(row.organisation_id, row.pk, unmapped).header != before.header


def _note_columns(row: ContactImport, options: ImportOptions, *, starts: bool) -> None:
    """Raises InvalidInput for columns that cannot be; they are noted all the same, so that nothing typed is lost."""
    found = services.map_columns(row.organisation_id, row.pk, options)
    if found.errors:
        raise InvalidInput(found.errors)
    if starts:
        services.start_import(row.organisation_id, row.pk, now_ms())


def _mapping_page(request: PageRequest, row: ContactImport, form: MappingForm | None) -> HttpResponseBase:
    found = services.preview_of(row)
    if form is None or len(form.places) != len(found.header):
        form = MappingForm.of(found, row.options)
    attributes = [name for name in found.columns if name and name not in RESERVED]
    shown, sees = attributes[:ATTRIBUTES_SHOWN], request.person.may(Right.SEE_NUMBERS)
    values = {
        "import": row,
        "form": form,
        "found": found,
        "delimiter": DELIMITERS.get(found.delimiter, found.delimiter),
        "columns": [_column(place, form, found, sees=sees) for place in form.places],
        "lines": [_line(line, shown, sees=sees) for line in found.lines],
        "attributes": shown,
        "more_attributes": len(attributes) - len(shown),
        "width": 3 + len(shown) + (len(attributes) > len(shown)),
        "problems": () if form.is_bound else [localised(error.message) for error in found.errors],
    }
    return render(request, "contacts/mapping.html", values)


def _column(place: int, form: MappingForm, found: Preview, *, sees: bool) -> dict[str, Any]:
    """A row of the table of columns: its name in the file, some of what is in it, and the two controls."""
    cells = [line.cells[place] for line in found.lines if place < len(line.cells) and line.cells[place].strip()]
    return {
        "number": place + 1,
        "header": found.header[place],
        "samples": [_seen(cell, sees=sees) for cell in list(dict.fromkeys(cells))[:SAMPLES]],
        "use": form[f"use_{place}"],
        "name": form[f"name_{place}"],
    }


def _line(line: Line, attributes: Sequence[str], *, sees: bool) -> dict[str, Any]:
    known = line.person.attributes if line.person else {}
    return {
        "of": line,
        "values": [_seen(known.get(name, ""), sees=sees) for name in attributes],
        "cells": [_seen(cell, sees=sees) for cell in line.cells[:CELLS_SHOWN]],
    }


def _seen(cell: str, *, sees: bool) -> str:
    """The beginning of a cell; what may be a number or an address is masked for those who may see none."""
    if not sees and ("@" in cell or sum(character.isdigit() for character in cell) >= SHORTEST_NUMBER):
        return masked(cell)
    return cell if len(cell) <= LONGEST_SHOWN else f"{cell[:LONGEST_SHOWN]}…"


def _width(text: str) -> int:
    return min(max(int(text), 1), MOST_COLUMNS) if text.isascii() and text.isdigit() and len(text) < 4 else 1
