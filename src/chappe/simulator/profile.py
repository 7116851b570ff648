"""The built-in profiles: quirks under a name, and quirks from files."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from chappe.gsm import Encoding

from .message_id import IdFormat
from .quirks import (
    DelayShape,
    Failure,
    Garbage,
    Inbound,
    Keep,
    Quirks,
    ReceiptText,
    Refusal,
    Segmentation,
    ThrottleWindow,
    change,
    config_error,
)

LONG_REPLY = (
    "Bonjour, je vous remercie de votre message. Je ne pourrai malheureusement pas venir samedi, mais je passerai au "
    "magasin dans la semaine qui suit, sans doute mardi ou mercredi en fin de matinée. Pouvez-vous me garder "
    "deux paires de la taille 42, une noire et une bleue, et me dire si la carte de fidélité vaut aussi pour les "
    "articles déjà soldés ? Merci d'avance et à la semaine prochaine."
)
UNREACHED: Final = (
    Failure("UNDELIV", "001", 0.02),  # unknown subscriber
    Failure("EXPIRED", "027", 0.007),  # absent subscriber
    Failure("REJECTD", "013", 0.003),  # barred
)

PROFILES: Final[dict[str, Quirks]] = {
    # Takes everything at once; receipts after a second.
    "plain": Quirks(),
    # A provider as they are: nothing is wrong, and nothing is quite as the standard has it.
    "demo": Quirks(
        id_format=IdFormat.HEX,
        receipt_id_format=IdFormat.DECIMAL,
        latency_ms=15.0,
        latency_jitter_ms=25.0,
        receipt_delay_ms=400.0,
        receipt_spread_ms=1_500.0,
        receipt_shape=DelayShape.EXPONENTIAL,
        early_fraction=0.02,
        early_by_ms=200.0,
        failures=UNREACHED,
        throttled_fraction=0.002,
        throttle_windows=(ThrottleWindow(10.0, 10.3, 25.0),),
        drop_after_messages=1_500,
        most_drops=1,
        inbound=(
            Inbound("STOP", reply_to="STOP au", probability=0.015, delay_ms=2_500.0),
            Inbound("Merci !", reply_to="STOP au", probability=0.004, delay_ms=4_000.0),
            Inbound("D'accord 👍", reply_to="STOP au", probability=0.002, delay_ms=5_000.0, encoding=Encoding.UCS2),
            Inbound(LONG_REPLY, reply_to="STOP au", probability=0.003, delay_ms=6_000.0, is_shuffled=True),
        ),
    ),
    # Far away: answers take up to a second, receipts up to minutes.
    "slow": Quirks(
        latency_ms=400.0,
        latency_jitter_ms=600.0,
        receipt_delay_ms=5_000.0,
        receipt_spread_ms=20_000.0,
        receipt_shape=DelayShape.EXPONENTIAL,
        read_pause_ms=50.0,
        receipt_window=10,
    ),
    # Everything that a client has to live with, at once.
    "hostile": Quirks(
        id_format=IdFormat.HEX_UPPER,
        receipt_id_format=IdFormat.DECIMAL,
        receipt_id_width=18,
        bind_refusals=1,
        latency_ms=50.0,
        latency_jitter_ms=300.0,
        late_answer_fraction=0.01,
        no_answer_fraction=0.01,
        throttled_fraction=0.02,
        refusals=(Refusal("99$", "ESME_RINVDSTADR"), Refusal("98$", 0x0400)),
        receipt_delay_ms=300.0,
        receipt_spread_ms=2_000.0,
        receipt_shape=DelayShape.UNIFORM,
        receipt_dialect="seconds",
        receipt_text=ReceiptText.HOSTILE,
        receipt_tlvs=True,
        failures=UNREACHED,
        never_fraction=0.01,
        early_fraction=0.1,
        early_by_ms=500.0,
        duplicate_fraction=0.1,
        duplicate_after_ms=1_000.0,
        intermediate_fraction=0.1,
        drop_every_s=30.0,
        garbage_every=1_000,
        garbage=Garbage.MALFORMED,
        answers_enquire_link=False,
        read_pause_ms=5.0,
        inbound=(
            Inbound(LONG_REPLY, reply_to="", probability=0.01, segmentation=Segmentation.UDH16, is_shuffled=True),
            Inbound(LONG_REPLY, reply_to="", probability=0.01, segmentation=Segmentation.SAR, is_shuffled=True),
            Inbound(LONG_REPLY, reply_to="", probability=0.01, segmentation=Segmentation.PAYLOAD),
            Inbound("id:1 sub:001 dlvrd:001 stat:DELIVRD err:000 text:STOP", reply_to="", probability=0.01),
        ),
    ),
    # Strict about speed: a window of 20, 50 messages a second, and now and then nothing at all.
    "throttled": Quirks(
        window_limit=20,
        window_status="ESME_RMSGQFUL",
        rate_limit=50,
        throttle_windows=(ThrottleWindow(5.0, 7.0, 20.0),),
    ),
    # For benchmarks: answers at once, receipts after 50 ms, remembers identities only.
    "bench": Quirks(receipt_delay_ms=50.0, receipt_window=10_000, keep=Keep.IDENTITIES),
}
"""What `--quirks NAME` takes, and what `profile = "NAME"` in a file starts from."""


def load(source: str) -> Quirks:
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


def parse(values: object) -> Quirks:
    """Quirks from what a file or a request holds; `profile` names one to start from. Raises ConfigError."""
    if not isinstance(values, Mapping):
        raise config_error("quirks", "a table of knobs is expected")
    name = values.get("profile", "plain")
    if name not in PROFILES:
        raise config_error("profile", f"{name!r} is none of {', '.join(PROFILES)}")
    return change(PROFILES[name], {key: value for key, value in values.items() if key != "profile"})
