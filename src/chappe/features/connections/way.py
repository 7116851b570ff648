"""What can be sent through a connection: what its provider declares, as far as whoever takes messages must know it."""

from dataclasses import dataclass
from functools import cached_property

from chappe.messaging import Channel
from chappe.messaging.content import Content, Mms
from chappe.providers.contract import Feature, ProviderSpec, Settings

SMPP = "smpp"
LONGEST_SENDER = 64
LONGEST_SMPP_SENDER = 20
"""Octets of a source address without its NUL (SMPP 3.4, 5.2.8)."""


@dataclass(frozen=True)
class Way:
    """A connection that is complete. What only SMPP has is off, or empty, for the others."""

    spec: ProviderSpec
    settings: Settings
    mid_link_base: str | None = None
    """What the short links of the installation begin with that this is handed over to; "" where it has no address for them,
    None where it did not say."""

    @cached_property
    def is_smpp(self) -> bool:
        return self.spec.key == SMPP

    @cached_property
    def channel(self) -> Channel:
        """What recipients are, and whose quarantine counts: that of a number counts for SMS and RCS."""
        return Channel.EMAIL if self.spec.channels == {Channel.EMAIL} else Channel.SMS

    @cached_property
    def is_email(self) -> bool:
        return self.channel is Channel.EMAIL

    @cached_property
    def as_typed(self) -> bool:
        """Whether numbers go out exactly as they are given."""
        return self.is_smpp and self.settings.flag("full_phone_number")

    @cached_property
    def is_handed_over(self) -> bool:
        """Whether another installation sends it, through a connection of which it alone knows what that can carry."""
        return self.spec.hands_over

    @cached_property
    def has_service_tag(self) -> bool:
        return self.is_handed_over or (self.is_smpp and bool(self.settings.text("service_id_tag")))

    @property
    def has_parameters(self) -> bool:
        """Whether optional parameters of SMPP can go out."""
        return self.is_handed_over or self.is_smpp

    @property
    def has_transmission_modes(self) -> bool:
        return Feature.TRANSMISSION_MODE in self.spec.features

    @cached_property
    def short_code(self) -> str:
        """Whose quarantine counts for messages that name no short code; "": that for all alone."""
        return self.settings.text("short_code") if self.is_smpp else ""

    @cached_property
    def despite_stop(self) -> bool:
        return bool(self.settings.get("transactional_despite_stop", False))

    def carried(self, content: Content | None) -> Content | None:
        """What of a content goes out: None where the provider has no RCS, and the text stands in for it."""
        return content if self.carries(content) else None

    def carries(self, content: object) -> bool:
        """Whether anything of it goes out."""
        return content is not None and Channel.RCS in self.spec.channels

    def channel_of(self, content: Content | None) -> Channel:
        """The channel of a message with this content. An MMS goes to a number, as a text does."""
        carried = self.carried(content)
        return self.channel if carried is None or isinstance(carried, Mms) else Channel.RCS

    def sender_problem(self, sender: str) -> str | None:
        """What is wrong with a sender of a message's own, or None."""
        if not sender:
            return None
        most = LONGEST_SMPP_SENDER if self.is_smpp else LONGEST_SENDER
        if len(sender) > most:
            return f"must have at most {most} characters"
        if not (sender.isascii() and sender.isprintable()):
            return "must be printable ASCII characters"
        checks = [setting.check for setting in self.spec.settings if setting.name == "sender" and setting.check]
        return next((problem for check in checks if (problem := check(sender))), None)
