"""What people type about consent and quarantine."""

from collections.abc import Sequence

from django import forms
from django.utils.translation import gettext_lazy as _

from chappe.features.consent.ledger import EVIDENCE_CHARACTERS, SENDER_CHARACTERS, Wish
from chappe.features.consent.services import REASON_CHARACTERS, SHORT_CODE_CHARACTERS, Block
from chappe.features.form import ConsoleForm
from chappe.messaging import Channel
from chappe.rules.quarantine import QuarantineStatus

STATUS_CHOICES = (
    ("", _("All")),
    (QuarantineStatus.QUARANTINE.value, _("In quarantine because of errors")),
    (QuarantineStatus.DENYLISTED.value, _("The person said no")),
    (QuarantineStatus.WITH_ERRORS.value, _("With errors, still sent to")),
    (QuarantineStatus.VALID.value, _("Released")),
)
CHANNEL_CHOICES = (
    (Channel.SMS.value, _("SMS and RCS")),
    (Channel.EMAIL.value, _("E-mail")),
)
LONGEST_ADDRESS = 320
LONGEST_TEXT = 2000


def _plain(type_: str = "text") -> forms.TextInput:
    return forms.TextInput(attrs={"type": type_, "autocomplete": "off"})


class FilterForm(ConsoleForm):
    address = forms.CharField(
        label=_("Number or how it begins, or e-mail address"),
        required=False,
        max_length=LONGEST_ADDRESS,
        widget=_plain("search"),
    )
    status = forms.ChoiceField(label=_("Status"), choices=STATUS_CHOICES, required=False)


class BlockForm(ConsoleForm):
    channel = forms.ChoiceField(label=_("For"), choices=CHANNEL_CHOICES)
    address = forms.CharField(
        label=_("Number or e-mail address"),
        max_length=LONGEST_ADDRESS,
        help_text=_("A number with its country code, such as +33612345678."),
        widget=_plain(),
    )
    short_code = forms.CharField(
        label=_("Only for the short code"),
        required=False,
        max_length=SHORT_CODE_CHARACTERS,
        help_text=_("Empty: nothing is sent to it from any of your numbers."),
        widget=_plain(),
    )
    status = forms.ChoiceField(
        label=_("Why"),
        choices=(
            (QuarantineStatus.QUARANTINE.value, _("The number or address does not work")),
            (QuarantineStatus.DENYLISTED.value, _("The person said no: it is written into the ledger, too")),
        ),
        widget=forms.RadioSelect,
        initial=QuarantineStatus.QUARANTINE.value,
    )
    reason = forms.CharField(label=_("Reason"), required=False, max_length=REASON_CHARACTERS, widget=_plain())

    def block(self) -> Block:
        return Block(**self.cleaned_data)


class LedgerForm(ConsoleForm):
    address = forms.CharField(
        label=_("Whole number or e-mail address"), required=False, max_length=LONGEST_ADDRESS, widget=_plain("search")
    )


class WishForm(ConsoleForm):
    """A wish by hand. Where the person is known their number is not typed: see `known_address`."""

    channel = forms.ChoiceField(label=_("For"), choices=CHANNEL_CHOICES)
    address = forms.CharField(
        label=_("Number or e-mail address"),
        max_length=LONGEST_ADDRESS,
        help_text=_("A number with its country code, such as +33612345678."),
        widget=_plain(),
    )
    is_given = forms.TypedChoiceField(
        label=_("What the person said"),
        choices=(("no", _("No: send me nothing more")), ("yes", _("Yes: you may write to me"))),
        coerce=lambda value: value == "yes",
        widget=forms.RadioSelect,
    )
    sender = forms.CharField(
        label=_("To which sender"),
        required=False,
        max_length=SENDER_CHARACTERS,
        help_text=_(
            "The number or name of yours that they meant. Empty: to all. It is kept as proof; the wish holds for all."
        ),
        widget=_plain(),
    )
    evidence = forms.CharField(
        label=_("Where and how they said it"),
        max_length=EVIDENCE_CHARACTERS,
        help_text=_("It has to prove the wish later: “signed form of 3 June, kept in the shop at Lyon”, say."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def __init__(self, *args: object, known_address: str = "", **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.known_address = known_address
        if known_address:
            del self.fields["address"], self.fields["channel"]

    def wish(self) -> Wish:
        given = dict(self.cleaned_data)
        if self.known_address:
            given["address"] = self.known_address
            given["channel"] = (Channel.EMAIL if "@" in self.known_address else Channel.SMS).value
        return Wish(**given)


class TesterForm(ConsoleForm):
    source = forms.ChoiceField(label=_("Comes in by"))
    number = forms.CharField(
        label=_("To your number"),
        required=False,
        max_length=64,
        widget=_plain(),
    )
    text = forms.CharField(
        label=_("What the person writes"), max_length=LONGEST_TEXT, widget=forms.Textarea(attrs={"rows": 3})
    )

    def __init__(self, *args: object, sources: Sequence[tuple[str, str]], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["source"] = forms.ChoiceField(label=_("Comes in by"), choices=sources)
