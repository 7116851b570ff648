"""What a delivery asks for beside its text, as its row keeps it."""

from typing import TYPE_CHECKING, Any

import msgspec

from chappe.providers.parameter import ParameterRow

if TYPE_CHECKING:
    from chappe.features.deliveries.terms import Written


class Options(msgspec.Struct, frozen=True, omit_defaults=True):
    """`maximum_segments` 0 is no limit. `transmission_mode` None: not sent. Values of `tlvs` are like the body, and so are the
    texts of `content`, which is what RCS or MMS carry as `messaging.content` reads it. `follow_links`: addresses in the text go
    out as short links that are counted."""

    maximum_segments: int = 0
    transmission_mode: int | None = None
    service_id: str = ""
    tlvs: tuple[ParameterRow, ...] = ()
    content: dict[str, Any] | None = None
    follow_links: bool = False

    @classmethod
    def of(cls, row: "Written") -> "Options":
        return msgspec.convert(row.options, cls)

    def kept(self) -> dict[str, object]:
        """As JSON knows it."""
        kept: dict[str, object] = msgspec.to_builtins(self)
        return kept
