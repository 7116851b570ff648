"""Texts from phones: put together from their segments, matched with the automatic replies, stored."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from chappe.engine.callback import of_text
from chappe.engine.change import Changes, Policy, Wish
from chappe.engine.store import catalogue
from chappe.engine.store.frame import InboundPiece
from chappe.engine.store.statement import Row
from chappe.engine.store.store import OutboxBatch, Store
from chappe.gsm import Encoding, decode
from chappe.messaging import Category, Channel, MessageOptions, TextTold, TrafficKind
from chappe.rules.answer import Answer, find_answer
from chappe.rules.email_address import sender_email
from chappe.rules.hook_keyword import KeywordRules
from chappe.rules.quarantine import quarantine_address
from chappe.rules.reassembly import Piece, join

INCOMPLETE_MS = 10 * 60_000
"""How long segments wait for the others; then the text is stored with a gap."""
REPLY_PRIORITY = 1
MOST_REPLIES = 3
LOOP_MS = 3600_000
"""A number gets at most `MOST_REPLIES` automatic replies of a connection in this time."""
REPLY_VALIDITY_MS = 3600_000
LONGEST_NUMBER = 64
NO_RECEIPT = msgspec.json.encode(MessageOptions(wants_receipt=False))


class Details(msgspec.Struct, omit_defaults=True):
    """What a stored segment carries besides its octets."""

    encoding: str
    linked_sms: str = ""
    alias: str = ""
    large_account: str = ""
    provider_message_id: str = ""
    keywords: KeywordRules | None = None
    is_answered: bool = False


@dataclass(frozen=True)
class Text:
    """A text from a phone, whole again (or as whole as it will get)."""

    connection_id: int
    sender: str
    recipient: str
    body: str
    segments: int
    is_complete: bool
    at_ms: int
    details: Details


Key = tuple[int, str, str, int, int]


@dataclass
class Group:
    """Segments of one text, by position, as the columns after the key hold them; `new` are not in the database yet."""

    rows: dict[int, Row]
    new: set[int] = field(default_factory=set)

    def take(self) -> list[Row]:
        """All of them, and forget them."""
        rows = list(self.rows.values())
        self.rows.clear()
        self.new.clear()
        return rows


_details = msgspec.json.Decoder(Details).decode


class Inbox:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._database = store.database

    def take(self, pieces: Iterable[InboundPiece], changes: Changes) -> None:
        """Store what came in; texts that are whole now are acted upon in the order they came."""
        texts: list[Text] = []
        groups: dict[Key, Group] = {}
        for piece in pieces:
            if not 1 <= piece.position <= piece.total or piece.total == 1:
                body = _kept(decode(piece.octets, Encoding(piece.encoding)))
                texts.append(
                    Text(piece.connection_id, piece.sender, piece.recipient, body, 1, True, piece.at_ms, _of(piece))
                )
            else:
                texts += self._add(piece, groups)
        self._database.run(
            catalogue.INSERT_INBOUND_PARTS,
            [(*key, *group.rows[position]) for key, group in groups.items() for position in sorted(group.new)],
        )
        self._finish(texts, changes)

    def _add(self, piece: InboundPiece, groups: "dict[Key, Group]") -> list[Text]:
        """The texts that a segment completes or puts an end to.

        The same position with the same octets is a repetition; with others, the reference is being used again: what
        was there is stored as far as it came, and a new text begins.
        """
        key, row = _group(piece), _part_row(piece)
        if key not in groups:
            groups[key] = Group({found[0]: found for found in self._database.query(catalogue.INBOUND_PARTS_OF, key)})
        group, texts = groups[key], []
        old = group.rows.get(piece.position)
        if old is not None and old[1] == row[1]:
            return []
        if old is not None:
            texts.append(self._join(key, group.take()))
        group.rows[piece.position] = row
        group.new.add(piece.position)
        if len(group.rows) == piece.total:
            texts.append(self._join(key, group.take()))
        return texts

    def give_up_incomplete(self, now_ms: int, changes: Changes) -> None:
        """Store texts whose missing segments did not come in time, with a gap where they would stand.

        And those that are whole, whose last segments two engines got at once: neither saw the other's.
        """
        known = list(changes.policies)  # not those of connections that are switched off, or that nobody told us of yet
        stale = self._database.query(catalogue.STALE_INBOUND_PARTS, (known, now_ms - INCOMPLETE_MS)) if known else []
        found = [(key, self._database.query(catalogue.INBOUND_PARTS_OF, key)) for key in stale]
        # Another engine that gives up at the same moment has left nothing of its texts.
        self._finish([self._join(key, rows) for key, rows in found if rows], changes)

    def _join(self, key: Row, rows: Sequence[Row]) -> Text:
        """The text of these segments, which are taken out of the database."""
        connection_id, sender, recipient, _reference, total = key
        by_position = {position: (_details(details), bytes.fromhex(body)) for position, body, details, _ in rows}
        pieces = {
            position: Piece(Encoding(found.encoding), octets) for position, (found, octets) in by_position.items()
        }
        self._database.query(catalogue.DELETE_INBOUND_PARTS, key)
        first = by_position[min(by_position)][0]
        at_ms = max(row[3] for row in rows)
        return Text(
            connection_id, sender, recipient, _kept(join(pieces, total)), len(rows), len(rows) == total, at_ms, first
        )

    def _finish(self, texts: Sequence[Text], changes: Changes) -> None:
        if not texts:
            return
        rows = []
        for inbound_id, text in zip(self._store.take_ids("inbound", len(texts)), texts, strict=True):
            policy = changes.policies[text.connection_id]
            answer = None
            if text.is_complete:
                answer = find_answer(text.details.keywords, policy.replies, text.body, text.recipient)
            reply_id = self._act(answer, text, policy, changes) if answer else 0
            rows.append(_inbound_row(inbound_id, text, policy, answer, reply_id))
            changes.tally[text.connection_id, 0, TrafficKind.INBOUND] += 1
            changes.happened.append(of_text(policy.organisation_id, inbound_id, text.at_ms))
            person, is_answered = _person(text, policy), bool(reply_id) or text.details.is_answered
            told = TextTold(inbound_id, person, text.recipient, text.body, text.at_ms, is_answered)
            changes.feed.text(text.connection_id, told)
        self._database.run(catalogue.INSERT_INBOUND, rows)
        self._database.run(catalogue.KEEP_CONVERSATIONS, _conversations(rows))

    def _act(self, answer: Answer, text: Text, policy: Policy, changes: Changes) -> int:
        """Do what the text leads to; the id of the reply, 0 for none."""
        if answer.is_given is not None:
            said = f"the person wrote {answer.keyword or 'any word'}"
            wish = Wish(answer.is_given, "keyword", said, text.connection_id, text.recipient)
            changes.person_asked(policy.organisation_id, _person(text, policy), answer.short_code, wish)
        if not answer.reply or text.details.is_answered or self._is_loop(text, policy, changes.now_ms):
            return 0
        return self._reply(answer.reply, text, policy, changes.now_ms)

    def _is_loop(self, text: Text, policy: Policy, now_ms: int) -> bool:
        """Whether the other side answers our answers: a machine, to which we would write for ever."""
        values = (policy.organisation_id, _person(text, policy), text.connection_id, now_ms - LOOP_MS)
        ((replies,),) = self._database.query(catalogue.REPLIES_SINCE, values)
        return bool(replies >= MOST_REPLIES)

    def _reply(self, reply: str, text: Text, policy: Policy, now_ms: int) -> int:
        (message_id,) = self._store.take_ids("message", 1)
        row = catalogue.new_message(
            message_id,
            policy.organisation_id,
            text.connection_id,
            category=Category.REPLY,
            recipient=_person(text, policy),
            sender=text.recipient,
            body=reply,
            options=NO_RECEIPT,
            segments=1,
            created_ms=now_ms,
            due_ms=now_ms,
            expires_ms=now_ms + REPLY_VALIDITY_MS,
        )
        self._store.enqueue([OutboxBatch(text.connection_id, 0, REPLY_PRIORITY, now_ms, [row])])
        return message_id


def _person(text: Text, policy: Policy) -> str:
    """The sender as recipients are written. A number is cut: a `data_sm` may bring 64 characters, and the plus is one more."""
    if policy.channel == Channel.EMAIL and (address := sender_email(text.sender)):
        return address
    return quarantine_address(text.sender, full_phone_number=policy.full_phone_number)[:LONGEST_NUMBER]


def _kept(text: str) -> str:
    """Without NUL characters, which PostgreSQL keeps in no text."""
    return text.replace("\0", "")


def _of(piece: InboundPiece) -> Details:
    return Details(
        piece.encoding,
        piece.linked_sms,
        piece.alias,
        piece.large_account,
        piece.provider_message_id,
        piece.keywords,
        piece.is_answered,
    )


def _group(piece: InboundPiece) -> Key:
    return (piece.connection_id, piece.sender, piece.recipient, piece.reference, piece.total)


def _part_row(piece: InboundPiece) -> Row:
    return (piece.position, piece.octets.hex(), msgspec.json.encode(_of(piece)), piece.at_ms)


def _conversations(rows: Sequence[Row]) -> list[Row]:
    """A row for each number that wrote, of its last text; open where a text of it was answered by nothing."""
    found: dict[tuple[int, str], Row] = {}
    for row in rows:
        inbound_id, organisation_id, connection_id, number, recipient, *_, action, _reply, at_ms = row
        before = found.pop((organisation_id, number), None)
        is_open = not action or (before is not None and bool(before[6]))
        found[organisation_id, number] = (
            organisation_id,
            number,
            connection_id,
            recipient,
            inbound_id,
            at_ms,
            is_open,
            0,
        )
    return [found[key] for key in sorted(found)]  # in one order, so that two engines do not wait for each other


def _inbound_row(inbound_id: int, text: Text, policy: Policy, answer: Answer | None, reply_id: int) -> Row:
    details = text.details
    account = details.large_account or (text.recipient if policy.large_account_from_short_code else "")
    return (
        inbound_id,
        policy.organisation_id,
        text.connection_id,
        _person(text, policy)[:LONGEST_NUMBER],
        text.recipient,
        text.body,
        text.segments,
        text.is_complete,
        details.linked_sms,
        details.alias,
        account,
        details.provider_message_id,
        answer.keyword[:40] if answer else "",
        answer.action if answer else "",
        reply_id,
        text.at_ms,
    )
