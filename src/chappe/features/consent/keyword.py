"""All rules by which texts from phones are answered, in one place, and what would happen to a text.

The same functions decide here and in the engine: `chappe.rules.answer` which rule answers, `chappe.rules.quarantine` what
becomes of the number, `chappe.rules.consent` what may still go there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from chappe.features.connections.models import Connection
from chappe.features.connections.services import connections_of, way_of
from chappe.features.connections.way import SMPP
from chappe.features.hooks.models import Hook
from chappe.features.hooks.reading import keyword_rules, reads_own_calls
from chappe.features.hooks.services import hooks_of
from chappe.features.refusal import InvalidInput
from chappe.messaging import Category, ConfigError
from chappe.providers.hook_payload import HookKind
from chappe.rules.answer import NEAR_MISS, Answer, find_answer
from chappe.rules.consent import Exclusion, exclusion
from chappe.rules.hook_keyword import KeywordCategory, KeywordRule, KeywordRules, decide, fold, rules_for
from chappe.rules.keyword import AutomaticReply, KeywordAction, find_reply, first_word, rows
from chappe.rules.quarantine import QuarantineEntry, QuarantineStatus, after_release, after_stop

MOST_SOURCES = 200
_EMPTY_ROW = {"keyword": "", "short_code": "", "reply": "", "action": KeywordAction.NONE.value}


@dataclass(frozen=True)
class Source:
    """Where texts come in, and what answers them: the automatic replies of a connection by SMPP, or the keywords of a hook.

    `hook` None with `keywords`: the provider's own address, where no hook is for all numbers. `is_in_use` is off where the
    connection or the hook is switched off.
    """

    connection: Connection
    replies: tuple[AutomaticReply, ...] = ()
    keywords: KeywordRules | None = None
    hook: Hook | None = None
    is_in_use: bool = True
    is_standard: bool = False
    by_number: Sequence[tuple[str, KeywordRules]] = ()
    """Of a provider's own address: the hooks that are for a number of ours, and their keywords."""

    @property
    def key(self) -> str:
        return f"hook-{self.hook.pk}" if self.hook is not None else f"connection-{self.connection.pk}"

    @property
    def number(self) -> str:
        """Ours, that its texts come to; "" for all of the connection's."""
        return self.hook.sender_number if self.hook is not None else ""

    def keywords_for(self, number: str) -> KeywordRules | None:
        """Those for texts to a number of ours; None where automatic replies answer."""
        return self.keywords if self.keywords is None or self.hook is not None else rules_for(self.by_number, number)


@dataclass(frozen=True)
class Row:
    """An automatic reply beside a text: does its keyword match, and its number? Rows count from 1."""

    place: int
    reply: AutomaticReply
    has_keyword: bool
    has_number: bool


@dataclass(frozen=True)
class Rights:
    """What may still go to a person after a text: "" where it may, else why not."""

    marketing: Exclusion
    transactional: Exclusion


@dataclass(frozen=True)
class Verdict:
    """What would happen to a text.

    `compared` is what of it was held against the rules. `row` is the automatic reply that answers, `passed_over` are those
    that would, were they earlier in the table or for that number. `near` is a word to leave by that was nearly written, and
    `is_near_miss` whether somebody who nearly writes it gets an answer of its own. `status` and `after` are of consent, None
    where it stays as it is.
    """

    source: Source
    compared: str
    answer: Answer | None
    row: Row | None = None
    passed_over: Sequence[Row] = ()
    near: str = ""
    status: QuarantineStatus | None = None
    after: Rights | None = None

    @property
    def is_near_miss(self) -> bool:
        return self.answer is not None and self.answer.action == NEAR_MISS


def sources_of(organisation_id: int) -> list[Source]:
    """In the order of the connections; of each its hooks, then its own address."""
    hooks: dict[int, list[Hook]] = {}
    for hook in hooks_of(organisation_id).filter(kind=HookKind.INBOUND.value).order_by("pk")[:MOST_SOURCES]:
        hooks.setdefault(hook.connection_id, []).append(hook)
    connections = connections_of(organisation_id)[:MOST_SOURCES]
    return [source for one in connections for source in _sources(one, hooks.get(one.pk, ()))]


def _sources(connection: Connection, hooks: Sequence[Hook]) -> Iterator[Source]:
    if connection.provider == SMPP:
        yield Source(connection, replies=_replies(connection), is_in_use=connection.is_enabled)
        return
    for hook in hooks:
        rules = _rules(hook)
        is_standard = rules.with_defaults() != rules
        is_in_use = hook.is_enabled and connection.is_enabled
        yield Source(connection, (), rules.with_defaults(), hook, is_in_use, is_standard)
    used = [(hook.sender_number, _rules(hook).with_defaults()) for hook in hooks if hook.is_enabled]
    # The keywords of a hook for all numbers hold for what comes by the provider's own address, too.
    if reads_own_calls(connection.provider) and "" not in dict(used):
        rules = rules_for(used, "")
        yield Source(connection, (), rules, None, connection.is_enabled, is_standard=True, by_number=used)


def _replies(connection: Connection) -> tuple[AutomaticReply, ...]:
    table: Sequence[Mapping[str, Any]] = connection.settings.get("automatic_replies") or ()
    return rows(_EMPTY_ROW | dict(row) for row in table)


def _rules(hook: Hook) -> KeywordRules:
    """As they are set; none where they were written by another version."""
    try:
        return keyword_rules(hook.keywords)
    except msgspec.ValidationError:
        return KeywordRules()


def find_source(sources: Sequence[Source], key: str) -> Source:
    """Raises InvalidInput."""
    found = next((source for source in sources if source.key == key), None)
    if found is None:
        raise InvalidInput.at("source", "there is no such place where texts come in")
    return found


def verdict(source: Source, text: str, number: str = "") -> Verdict:
    """What would happen to `text`, sent to `number` of ours ("" for any)."""
    number = number.strip() or source.number
    keywords = source.keywords_for(number)
    answer = find_answer(keywords, source.replies, text, number)
    by_table = keywords is None
    found = _rows(source.replies, text, number) if by_table else []
    row = next((one for one in found if one.has_keyword and one.has_number), None)
    near = _near(keywords, source.replies, text) if answer is None or answer.is_given is None else ""
    status, after = _consent(source, answer) if answer is not None and answer.is_given is not None else (None, None)
    return Verdict(
        source,
        first_word(text) if by_table else fold(text),
        answer,
        row,
        [one for one in found if one is not row and one.has_keyword],
        near,
        status,
        after,
    )


def _rows(table: Sequence[AutomaticReply], text: str, number: str) -> list[Row]:
    """Each row as if it were alone, and as if it were for the number that the text came to."""
    return [
        Row(
            place,
            reply,
            has_keyword=find_reply([reply], text, reply.short_code or number) is not None,
            has_number=not reply.short_code or find_reply([_any_word(reply)], text, number) is not None,
        )
        for place, reply in enumerate(table, 1)
    ]


def _any_word(reply: AutomaticReply) -> AutomaticReply:
    return msgspec.structs.replace(reply, keyword="")


def _near(rules: KeywordRules | None, replies: Sequence[AutomaticReply], text: str) -> str:
    """The word to leave by that the text nearly says; "" for none."""
    if rules is None:
        words = {row.keyword for row in replies if row.action is KeywordAction.SEND_TO_QUARANTINE and row.keyword}
        rules = KeywordRules((KeywordRule(KeywordCategory.OPT_OUT, tuple(sorted(words))),))
    found = decide(rules, text)
    return found.keyword if found is not None and found.is_near_miss else ""


def _consent(source: Source, answer: Answer) -> tuple[QuarantineStatus, Rights]:
    entry = QuarantineEntry(short_code=answer.short_code)
    then = after_release(entry) if answer.is_given else after_stop(entry)
    short_code, despite_stop = _sending(source.connection)
    entries = [(then.short_code, then.status.value)]

    def why_not(category: Category) -> Exclusion:
        return exclusion(entries, category, short_code, transactional_despite_stop=despite_stop)

    return then.status, Rights(why_not(Category.MARKETING), why_not(Category.TRANSACTIONAL))


def _sending(connection: Connection) -> tuple[str, bool]:
    """Whose quarantine counts for what goes out, and whether what is no marketing goes out all the same."""
    try:
        way = way_of(connection)
    except ConfigError:
        return "", False
    return way.short_code, way.despite_stop
