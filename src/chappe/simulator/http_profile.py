"""The built-in profiles of the HTTP simulator, and knobs from files and requests."""

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from chappe.messaging import ConfigError, FieldError

from .http_quirks import (
    EVERY,
    TABLES,
    HttpQuirks,
    InboundText,
    VendorQuirks,
    builtins,
    check,
    config_error,
)
from .quirks import Keep
from .vendors import VENDORS

PROFILES: Final[dict[str, HttpQuirks]] = {
    # Takes everything at once; reports after a second.
    "plain": HttpQuirks(),
    # Providers as they are: nothing is wrong, and nothing is quite as their pages say.
    "demo": HttpQuirks(
        vendors={
            EVERY: VendorQuirks(
                latency_ms=40.0,
                latency_jitter_ms=80.0,
                throttled_fraction=0.002,
                status_delay_ms=900.0,
                status_spread_ms=2_500.0,
                intermediate=True,
                out_of_order_fraction=0.02,
                duplicate_fraction=0.02,
                inbound=(
                    InboundText("STOP", reply_to="STOP au", probability=0.015, delay_ms=2_500.0),
                    InboundText("Merci !", reply_to="STOP au", probability=0.004, delay_ms=4_000.0),
                    InboundText("D'accord 👍", reply_to="STOP au", probability=0.002, delay_ms=5_000.0),
                ),
            )
        }
    ),
    # Everything that a client has to live with, at once.
    "hostile": HttpQuirks(
        vendors={
            EVERY: VendorQuirks(
                latency_ms=50.0,
                latency_jitter_ms=300.0,
                throttled_fraction=0.05,
                failure_fraction=0.02,
                hang_fraction=0.01,
                cut_fraction=0.01,
                garbage_fraction=0.01,
                token_lifetime_s=5,
                token_refusals=1,
                status_delay_ms=0.0,
                status_spread_ms=2_000.0,
                intermediate=True,
                never_fraction=0.01,
                duplicate_fraction=0.1,
                duplicate_after_ms=1_000.0,
                out_of_order_fraction=0.1,
                unknown_fraction=0.05,
                wrong_signature_fraction=0.02,
                read_fraction=0.1,
            )
        }
    ),
    # Strict about speed: 50 requests a second.
    "throttled": HttpQuirks(vendors={EVERY: VendorQuirks(rate_limit=50)}),
    # For benchmarks: answers at once, reports after 50 ms, remembers identities only.
    "bench": HttpQuirks(keep=Keep.IDENTITIES, vendors={EVERY: VendorQuirks(status_delay_ms=50.0)}),
}
"""What `--quirks NAME` takes, and what `profile = "NAME"` in a file starts from."""


def load(source: str) -> HttpQuirks:
    """The quirks of a built-in profile by its name, or of a file (TOML, or JSON by its ending). Raises ConfigError."""
    if source in PROFILES:
        return PROFILES[source]
    path = Path(source)
    if not path.is_file():
        raise config_error("quirks", f"{source!r} is neither a file nor one of {', '.join(PROFILES)}")
    try:
        text = path.read_text("utf-8")
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise config_error("quirks", f"{source}: {error}") from None
    return parse(values)


def parse(values: object) -> HttpQuirks:
    """Quirks from what a file holds; `profile` names one to start from. Raises ConfigError."""
    if not isinstance(values, Mapping):
        raise config_error("quirks", "a table of knobs is expected")
    name = values.get("profile", "plain")
    if name not in PROFILES:
        raise config_error("profile", f"{name!r} is none of {', '.join(PROFILES)}")
    return change(PROFILES[name], {key: value for key, value in values.items() if key != "profile"})


def change(quirks: HttpQuirks, values: Mapping[str, Any]) -> HttpQuirks:
    """The same with some knobs changed, those of each vendor by themselves. Raises ConfigError."""
    if errors := list(_unknown(values)):
        raise ConfigError(errors)
    merged = {**builtins(quirks), **values}
    merged["vendors"] = _merged_vendors(quirks, values.get("vendors", {}))
    try:
        changed = msgspec.convert(merged, HttpQuirks)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        raise config_error(path.lstrip(".").rstrip("`") or "values", text) from None
    if errors := [*check(changed), *_unknown_accounts(changed)]:
        raise ConfigError(errors)
    return changed


def of_vendor(quirks: HttpQuirks, name: str) -> VendorQuirks:
    """The knobs of one vendor: its own, else those of every vendor."""
    return quirks.vendors.get(name) or quirks.vendors.get(EVERY) or VendorQuirks()


def _merged_vendors(quirks: HttpQuirks, changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The knobs of all vendors after changes; those of `*` change each vendor, and are changed by its own."""
    every = changes.get(EVERY, {})
    merged: dict[str, Any] = {}
    for name in (EVERY, *VENDORS):
        own = changes.get(name, {}) if name != EVERY else {}
        before = builtins(of_vendor(quirks, name))
        merged[name] = {**before, **every, **own}
        accounts = (before["account"], every.get("account", {}), own.get("account", {}))
        if all(isinstance(one, Mapping) for one in accounts):
            merged[name]["account"] = {key: value for one in accounts for key, value in one.items()}
    return merged


def _unknown(values: Mapping[str, Any]) -> Iterator[FieldError]:
    """Names that do not exist, with those that do."""
    yield from _unknown_names(values, HttpQuirks.__struct_fields__, "")
    vendors = values.get("vendors", {})
    if not isinstance(vendors, Mapping):
        yield FieldError("vendors", "a table of vendors is expected")
        return
    yield from _unknown_names(vendors, (EVERY, *VENDORS), "vendors.")
    for name, knobs in vendors.items():
        path = f"vendors.{name}"
        if not isinstance(knobs, Mapping):
            yield FieldError(path, "a table of knobs is expected")
            continue
        yield from _unknown_names(knobs, VendorQuirks.__struct_fields__, f"{path}.")
        for table, kind in TABLES.items():
            rows = knobs.get(table)
            for index, row in enumerate(rows if isinstance(rows, list | tuple) else ()):
                if isinstance(row, Mapping):
                    yield from _unknown_names(row, kind.__struct_fields__, f"{path}.{table}[{index}].")


def _unknown_accounts(quirks: HttpQuirks) -> Iterator[FieldError]:
    for name, vendor in VENDORS.items():
        yield from _unknown_names(of_vendor(quirks, name).account, tuple(vendor.ACCOUNT), f"vendors.{name}.account.")
        yield from vendor.problems({**vendor.ACCOUNT, **of_vendor(quirks, name).account})


def _unknown_names(values: Mapping[Any, object], known: tuple[str, ...], path: str) -> Iterator[FieldError]:
    for name in values:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, 1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            yield FieldError(f"{path}{name}", f"does not exist{hint}; there are: {', '.join(known)}")
