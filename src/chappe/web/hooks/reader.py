"""What a call tells, and whether it is the provider's: by the adapter of a connection, or by the payload of a hook."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from chappe.engine.store.hook_event import Arrived
from chappe.messaging import BadSignature, HookEvent, InboundMessage, UnreadableBody
from chappe.providers.hook_payload import ProofKind, events_of, verify_hook
from chappe.providers.http import HookRequest, HttpResponse
from chappe.rules.hook_keyword import KeywordRules
from chappe.web.hooks.lookup import Hook, Lookup, Post
from chappe.web.wire import BadRequest

TAKEN = HttpResponse(200)
"""To providers that nobody wrote an adapter for: the answer that all of them take for a yes."""


class Refusal(BadRequest):
    """A call that is not taken. `outcome` is the word that it is counted by."""

    def __init__(self, status: int, detail: str, outcome: str, *, retry_s: int = 1) -> None:
        super().__init__(status, detail, retry_s=retry_s)
        self.outcome = outcome


class NoProof(Refusal):
    """The provider's proof is absent or wrong."""


@dataclass(frozen=True)
class Place:
    """What an address stands for: a hook, or the connections among which the proof tells which one is meant."""

    organisation_id: int
    posts: Sequence[Post]
    hook: Hook | None = None

    @property
    def connection_id(self) -> int:
        """Whose calls these are as long as the proof has not told."""
        return self.hook.connection_id if self.hook else self.posts[0].id

    @property
    def hook_id(self) -> int:
        return self.hook.id if self.hook else 0

    @property
    def secrets(self) -> tuple[str, ...]:
        """What may be kept nowhere, the tokens of the address among them."""
        own = (self.hook.secret, *self.hook.tokens) if self.hook else ()
        return tuple(secret for secret in (*own, *(one for post in self.posts for one in post.secrets)) if secret)


@dataclass
class Heard:
    """A call that is the provider's. `error` is why its events were not stored."""

    connection_id: int
    organisation_id: int
    events: Sequence[HookEvent]
    arrived: list[Arrived]
    reply: HttpResponse
    error: BadRequest | None = field(default=None)


def hear(place: Place, request: HookRequest, lookup: Lookup, now_ms: int) -> Heard:
    """Raises NoProof, or Refusal for what cannot be read."""
    if place.hook is not None and place.hook.is_broken:
        raise _cannot_check()
    try:
        if place.hook is not None and place.hook.settings is not None:
            connection_id, events, reply = _by_payload(place.hook, request, now_ms)
        else:
            connection_id, events, reply = _by_adapter(place.posts, request, now_ms)
    except UnreadableBody as error:
        raise Refusal(400, f"The call cannot be read: {error}", "unreadable") from None
    arrived = [
        Arrived(connection_id, place.organisation_id, event, now_ms, _rules(place, connection_id, event, lookup))
        for event in events
    ]
    return Heard(connection_id, place.organisation_id, events, arrived, reply)


def _by_payload(hook: Hook, request: HookRequest, now_ms: int) -> tuple[int, Sequence[HookEvent], HttpResponse]:
    assert hook.settings is not None
    try:
        verify_hook(request, hook.settings, hook.secret, now_ms / 1000)
    except BadSignature:
        status = 401 if hook.settings.proof.kind is ProofKind.BASIC else 403
        raise NoProof(status, _NO_PROOF, "no proof") from None
    return hook.connection_id, events_of(request, hook.settings), TAKEN


def _by_adapter(
    posts: Sequence[Post], request: HookRequest, now_ms: int
) -> tuple[int, Sequence[HookEvent], HttpResponse]:
    is_checked = True
    for post in posts:
        if post.account is None:
            is_checked = False
            continue
        try:
            post.adapter.verify(request, post.account, now_ms / 1000)
        except BadSignature:
            continue
        return post.id, post.adapter.events(request, post.account), post.adapter.reply(request)
    if not is_checked:
        raise _cannot_check()
    # Providers that sign in by user and password may wait until they are asked to.
    status = 403 if "authorization" in request.headers else 401
    raise NoProof(status, _NO_PROOF, "no proof")


def _rules(place: Place, connection_id: int, event: HookEvent, lookup: Lookup) -> KeywordRules | None:
    if not isinstance(event, InboundMessage):
        return None
    if place.hook is not None and place.hook.is_inbound:
        return place.hook.rules
    return lookup.rules(connection_id, event.recipient)


_NO_PROOF = (
    "The call does not carry the proof that it comes from the provider, or carries one that is wrong or too old."
)


def _cannot_check() -> Refusal:
    """It may be the provider's all the same: one that is told to come again loses nothing."""
    detail = "The settings of this address cannot be read now. Try again."
    return Refusal(503, detail, "cannot check", retry_s=60)
