"""What is asked about a hook: how its calls are read, how they are proven, what its keywords do."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from chappe.features.connections.models import Connection
from chappe.features.connections.services import MASK
from chappe.features.form import ConsoleForm, number_of
from chappe.features.hooks.models import Hook
from chappe.features.hooks.reading import keyword_rules
from chappe.features.hooks.services import LONGEST_CALL, Change, shown_proof
from chappe.providers.auth import Hash
from chappe.providers.hook_payload import LONGEST_SAMPLE, HookKind, Meaning, ProofKind
from chappe.rules.hook_keyword import KeywordCategory

KIND_LABELS: Mapping[str, Any] = {
    HookKind.INBOUND: _("Texts from phones"),
    HookKind.FEEDBACK: _("What became of messages"),
}
CATEGORY_LABELS: Mapping[KeywordCategory, Any] = {
    KeywordCategory.OPT_OUT: _("No more messages"),
    KeywordCategory.OPT_IN: _("Messages again"),
    KeywordCategory.DOUBLE_OPT_IN: _("Yes, to be confirmed"),
    KeywordCategory.HELP: _("Help"),
    KeywordCategory.CUSTOM: _("Words of your own"),
    KeywordCategory.DEFAULT: _("Everything else"),
}
MEANING_LABELS: Mapping[Meaning, Any] = {
    Meaning.DELIVERED: _("delivered"),
    Meaning.FAILED: _("failed"),
    Meaning.SENT: _("on its way"),
    Meaning.READ: _("read"),
    Meaning.IGNORED: _("says nothing"),
}
PROOF_LABELS: Mapping[ProofKind, Any] = {
    ProofKind.NONE: _("None: the address alone, which nobody can guess"),
    ProofKind.BASIC: _("Basic: a user and a password"),
    ProofKind.HEADER: _("A header with a secret value"),
    ProofKind.HMAC: _("A signature (HMAC) in a header"),
}
PROOF_FIELDS = ("kind", "user", "header", "secret", "hash", "is_base64", "timestamp_header")
SPARE_ROWS = 3
MOST_ROWS = 100
_RULE = re.compile(r"keywords\.rules\[(\d+)\]\.(\w+)")


class NewHookForm(ConsoleForm):
    """For which connection, and for what."""

    field_names = {"connection_id": "connection"}
    name = forms.CharField(label=_("Name"), max_length=200)
    connection = forms.TypedChoiceField(label=_("Connection"), coerce=int)
    kind = forms.ChoiceField(
        label=_("What its provider calls for"), choices=list(KIND_LABELS.items()), widget=forms.RadioSelect
    )
    payload = forms.CharField(
        label=_("A call as the provider makes it"),
        required=False,
        max_length=LONGEST_SAMPLE,
        widget=forms.Textarea(attrs={"rows": 8, "class": "mono", "spellcheck": "false"}),
        help_text=_(
            "Paste a sample, JSON or a form, and put {{InboundMessage}} and {{ProfileNumber}} where a text and its number "
            "stand, or {{feedbackStatus}} and {{message_id}} where a status does. Empty, where the provider is one whose calls "
            "are known."
        ),
    )

    def __init__(self, *args: Any, connections: Iterable[Connection], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(str(one.pk), one.name) for one in connections]
        self.fields["connection"].choices = choices  # type: ignore[attr-defined]


class HookForm(ConsoleForm):
    """A hook as it is, to be changed: its calls, their proof, and by its kind the keywords or the statuses."""

    name = forms.CharField(label=_("Name"), max_length=200)
    payload = forms.CharField(
        label=_("A call as the provider makes it"),
        required=False,
        max_length=LONGEST_SAMPLE,
        widget=forms.Textarea(attrs={"rows": 10, "class": "mono", "spellcheck": "false"}),
        help_text=_(
            "JSON or a form, with placeholders where values stand. Empty, where the provider's calls are known."
        ),
    )
    call = forms.CharField(
        label=_("A call to try"),
        required=False,
        max_length=LONGEST_CALL,
        widget=forms.Textarea(attrs={"rows": 6, "class": "mono", "spellcheck": "false"}),
        help_text=_("The body of a real call. Nothing of it is kept."),
    )
    proof_kind = forms.ChoiceField(label=_("How calls prove themselves"), choices=list(PROOF_LABELS.items()))
    proof_user = forms.CharField(label=_("User"), required=False, max_length=200)
    proof_header = forms.CharField(label=_("Header"), required=False, max_length=100)
    proof_secret = forms.CharField(
        label=_("Password, value or key"),
        required=False,
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Never shown again. Empty: as it is."),
    )
    proof_hash = forms.ChoiceField(label=_("Hash"), choices=[(one.value, one.value.upper()) for one in Hash])
    proof_is_base64 = forms.BooleanField(label=_("The signature is in Base64, not in hexadecimal"), required=False)
    proof_timestamp_header = forms.CharField(
        label=_("Header of the time that is signed as well"), required=False, max_length=100
    )

    def __init__(self, *args: Any, hook: Hook, **kwargs: Any) -> None:
        self.hook = hook
        self.is_inbound = hook.kind == HookKind.INBOUND
        kwargs["initial"] = _values(hook)
        super().__init__(*args, **kwargs)
        if self.is_inbound:
            self._add_keywords()
        else:
            self._add_statuses()

    def _add_keywords(self) -> None:
        self.fields["sender_number"] = forms.CharField(
            label=_("Our number, that people write to"),
            required=False,
            max_length=64,
            help_text=_("Empty: all numbers of the connection."),
        )
        for category, label in CATEGORY_LABELS.items():
            if category is not KeywordCategory.DEFAULT:
                self.fields[f"words_{category}"] = forms.CharField(
                    label=label, required=False, help_text=_("Words, with commas between them.")
                )
            self.fields[f"reply_{category}"] = forms.CharField(
                label=_("Reply") if category is not KeywordCategory.DEFAULT else label,
                required=False,
                widget=forms.Textarea(attrs={"rows": 2}),
            )
        self.fields["near_miss_reply"] = forms.CharField(
            label=_("Reply to a near miss"),
            required=False,
            widget=forms.Textarea(attrs={"rows": 2}),
            help_text=_("To “STOPP”, say: it changes nothing, and {word} in the reply becomes the exact word."),
        )

    def _add_statuses(self) -> None:
        given = (key.removeprefix("word_") for key in self.data if key.startswith("word_"))
        typed = [number for one in given if (number := number_of(one)) is not None]
        rows = max([len(self.hook.statuses) + SPARE_ROWS, *(number + 1 for number in typed)])
        choices = [("", "—"), *((one.value, MEANING_LABELS[one]) for one in Meaning)]
        for number in range(min(rows, MOST_ROWS)):
            self.fields[f"word_{number}"] = forms.CharField(label=_("Provider's word"), required=False, max_length=40)
            self.fields[f"meaning_{number}"] = forms.ChoiceField(
                label=_("What it means"), required=False, choices=choices
            )

    def field_of(self, path: str) -> str:
        """Paths of keywords count the rules in the order that `change` gives them."""
        found = _RULE.match(path)
        if found and self.is_inbound:
            category = list(CATEGORY_LABELS)[int(found[1])]
            return f"reply_{category}" if found[2] == "reply" else f"words_{category}"
        if path.startswith("statuses."):
            word = path.removeprefix("statuses.")
            return next((name for name, value in self.cleaned_data.items() if value == word), "payload")
        return path.replace("keywords.", "").replace(".", "_")

    def change(self, version: int) -> Change:
        """What was typed, for the service."""
        typed = self.cleaned_data
        proof = {name: typed[f"proof_{name}"] for name in PROOF_FIELDS if name != "secret" or typed["proof_secret"]}
        return Change(
            name=typed["name"],
            payload=typed["payload"],
            proof=_needed(proof),
            sender_number=typed["sender_number"] if self.is_inbound else None,
            keywords=self._keywords() if self.is_inbound else None,
            statuses=self.statuses() if not self.is_inbound else None,
            version=version,
        )

    def _keywords(self) -> dict[str, Any]:
        rules = [
            {
                "category": category.value,
                "keywords": _words(self.cleaned_data.get(f"words_{category}", "")),
                "reply": self.cleaned_data[f"reply_{category}"],
            }
            for category in CATEGORY_LABELS
        ]
        return {"rules": rules, "near_miss_reply": self.cleaned_data["near_miss_reply"]}

    def statuses(self) -> dict[str, str]:
        """The rows that have a word."""
        typed = self.cleaned_data
        words = [name for name in typed if name.startswith("word_") and typed[name]]
        return {typed[name]: typed.get(name.replace("word_", "meaning_"), "") for name in words}

    def status_rows(self) -> list[tuple[Any, Any]]:
        """For the page: the fields of each row."""
        names = [name for name in self.fields if name.startswith("word_")]
        return [(self[name], self[name.replace("word_", "meaning_")]) for name in names]

    def keyword_rows(self) -> list[tuple[Any, Any]]:
        """For the page: words and reply of each category."""
        return [
            (self[f"words_{category}"] if f"words_{category}" in self.fields else None, self[f"reply_{category}"])
            for category in CATEGORY_LABELS
        ]

    def proof_fields(self) -> list[Any]:
        return [self[f"proof_{name}"] for name in PROOF_FIELDS]


def _values(hook: Hook) -> dict[str, Any]:
    """What the form shows of a hook; never the secret."""
    proof = shown_proof(hook)
    values: dict[str, Any] = {
        "name": hook.name,
        "payload": hook.payload,
        "sender_number": hook.sender_number,
        **{f"proof_{name}": proof[name] for name in PROOF_FIELDS if name != "secret"},
    }
    rules = keyword_rules(hook.keywords)
    values["near_miss_reply"] = rules.near_miss_reply
    for rule in rules.rules:
        values[f"words_{rule.category}"] = ", ".join(rule.keywords)
        values[f"reply_{rule.category}"] = rule.reply
    for number, (word, meaning) in enumerate(hook.statuses.items()):
        values[f"word_{number}"], values[f"meaning_{number}"] = word, meaning
    return values


def _needed(proof: dict[str, Any]) -> dict[str, Any]:
    """Of a proof's fields those that its kind has; a secret that was not typed stays as it is."""
    by_kind = {
        ProofKind.BASIC: ("user",),
        ProofKind.HEADER: ("header",),
        ProofKind.HMAC: ("header", "hash", "is_base64", "timestamp_header"),
    }
    kind = ProofKind(proof["kind"])
    found = {name: proof[name] for name in ("kind", *by_kind.get(kind, ()))}
    return found if kind is ProofKind.NONE else {**found, "secret": proof.get("secret", MASK)}


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
