"""What an engine's main process is told of organisations' rules; see `frame`."""

import msgspec

from chappe.rules.quiet_hours import QuietHours


class OrganisationRules(msgspec.Struct, array_like=True, gc=False):
    """`version` grows with every change; `quiet` is None where there are no quiet hours."""

    organisation_id: int
    version: int
    quiet: QuietHours | None
    allowed_networks: str


class Rules(msgspec.Struct, array_like=True, tag="rules_are", gc=False):
    """Those of every organisation that has settled any."""

    organisations: list[OrganisationRules]
