"""What the catalogues are made from: which files belong to which, and the strings that these files have translated."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from babel.messages.extract import extract
from django.utils.translation.template import templatize

from translation.catalogue import LANGUAGE, Key

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "chappe"
FEATURES, WEB = SOURCE / "features", SOURCE / "web"
TEMPLATES = ("*.html", "*.txt")

# Functions of django.utils.translation, and where in their arguments the text, its plural and its context stand.
_TEXT, _PLURAL, _CONTEXT, _BOTH = None, (1, 2), ((1, "c"), 2), ((1, "c"), 2, 3)
KEYWORDS = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop"), _TEXT),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), _PLURAL),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), _CONTEXT),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), _BOTH),
}


@dataclass(frozen=True)
class App:
    """A folder whose strings go into the catalogue in its `locale`; an app's own when it is one."""

    name: str
    folder: Path

    @property
    def po(self) -> Path:
        return self.folder / "locale" / LANGUAGE / "LC_MESSAGES" / "django.po"

    @cached_property
    def files(self) -> list[Path]:
        """Python and templates, sorted; the console also speaks for what lies in no app of its own."""
        folders = [self.folder] if self.name != "console" else [WEB]
        found = [path for folder in folders for pattern in ("*.py", *TEMPLATES) for path in folder.rglob(pattern)]
        found += FEATURES.glob("*.py") if self.name == "console" else []
        return sorted(path for path in found if "migrations" not in path.parts)

    @property
    def templates(self) -> list[Path]:
        return [path for path in self.files if path.suffix != ".py"]

    @property
    def modules(self) -> list[Path]:
        return [path for path in self.files if path.suffix == ".py"]

    def keys(self) -> set[Key]:
        """Every string that a file of it has translated."""
        return {key for path in self.files for key in strings_of(path)}


def apps() -> list[App]:
    """Each feature, and the console."""
    features = [App(path.parent.name, path.parent) for path in sorted(FEATURES.glob("*/apps.py"))]
    return [*features, App("console", WEB / "console")]


def strings_of(path: Path) -> Iterator[Key]:
    """The strings that a file has translated. Raises what Django raises for a template that it cannot read."""
    text = path.read_text("utf-8")
    # What a template has translated, as calls with all else blanked out; in brackets, so that its indents mean nothing.
    code = text if path.suffix == ".py" else f"({templatize(text, origin=str(path))}\n)"
    for _, found, _, context in extract("python", io.BytesIO(code.encode()), keywords=KEYWORDS):
        forms = (found,) if isinstance(found, str) else tuple(found)
        yield Key(forms[0], forms[1] if len(forms) > 1 else "", context or "")
