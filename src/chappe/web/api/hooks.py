"""/v1/hooks: addresses of ours that providers call. Each is called at /v1/hooks/{token}, without an API key."""

from datetime import datetime
from typing import Any, Literal

import msgspec
from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema
from ninja.responses import Status
from pydantic import Field

from chappe.engine.address import HOOKS, hook_url
from chappe.features.accounts.models import ApiKey
from chappe.features.clock import now_ms
from chappe.features.hooks import services
from chappe.features.hooks.models import Hook, HookCount
from chappe.features.messages.models import Exchange
from chappe.providers.hook_payload import Preview
from chappe.rules.hook_keyword import KeywordCategory
from chappe.web.api.auth import may_manage, may_read, organisation_of
from chappe.web.api.field import Body, shown_time

router = Router(tags=["hooks"])

_PAYLOAD = (
    "a call as the provider makes it, JSON or a form, with placeholders such as {{InboundMessage}} for its values"
)
_KEYWORDS = "inbound only; none for the three categories of consent: the standard words"
_STATUSES = "feedback only: the provider's word → delivered, failed, sent, read or ignored"
_PROOF = (
    "kind none, basic, header or hmac; secret; for basic user; for header and hmac header; for hmac hash, is_base64, \
timestamp_header"
)


class RuleIn(Body):
    category: Literal["opt_out", "opt_in", "double_opt_in", "help", "custom", "default"]
    keywords: list[str] = []
    reply: str = ""


class KeywordsIn(Body):
    rules: list[RuleIn] = Field(default=[], max_length=len(KeywordCategory))
    near_miss_reply: str = Field(default="", description="{word} becomes the exact word")


class ProofIn(Body):
    kind: Literal["none", "basic", "header", "hmac"] = "none"
    secret: str | None = Field(default=None, description="null or ********: as it is")
    user: str = ""
    header: str = ""
    hash: Literal["sha256", "sha512", "sha1", "md5"] = "sha256"
    is_base64: bool = False
    timestamp_header: str = ""


class HookCreate(Body):
    connection_id: int
    name: str = Field(max_length=200)
    kind: Literal["inbound", "feedback"]
    sender_number: str = Field(default="", max_length=64, description="ours, that people write to; empty: all")
    keywords: KeywordsIn = Field(default=KeywordsIn(), description=_KEYWORDS)
    payload: str = Field(default="", max_length=20_000, description=_PAYLOAD)
    statuses: dict[str, str] = Field(default={}, description=_STATUSES)
    proof: ProofIn = Field(default=ProofIn(), description=_PROOF)
    is_enabled: bool = True


class HookChange(Body):
    name: str | None = Field(default=None, max_length=200)
    sender_number: str | None = Field(default=None, max_length=64)
    keywords: KeywordsIn | None = None
    payload: str | None = Field(default=None, max_length=20_000)
    statuses: dict[str, str] | None = None
    proof: ProofIn | None = None
    is_enabled: bool | None = None
    version: int | None = Field(default=None, description="the version you read: 409 when somebody changed it since")


class Rotation(Body):
    grace_s: int = Field(
        default=services.GRACE_S, description="seconds for which the address of before is good as well"
    )


class Trial(Body):
    call: str = Field(max_length=services.LONGEST_CALL, description="the body of a call, as the provider makes it")
    payload: str | None = Field(default=None, max_length=20_000, description="null: the hook's own")
    statuses: dict[str, str] | None = Field(default=None, description="null: the hook's own")


class CountOut(Schema):
    outcome: str = Field(description="accepted, duplicate, or why calls were refused")
    calls: int
    last_at: datetime | None


class HookOut(Schema):
    id: int
    connection_id: int
    name: str
    kind: str
    url: str | None = Field(
        description="what the provider calls; null for keys without the scope manage: it is a secret"
    )
    previous_until: datetime | None = Field(
        description="until when the address before the last rotation is good as well"
    )
    sender_number: str
    keywords: dict[str, Any] = Field(description="those in force")
    payload: str
    statuses: dict[str, str]
    proof: dict[str, Any] = Field(description="a secret that was given reads ********")
    is_enabled: bool
    version: int
    created_at: datetime | None
    changed_at: datetime | None
    counts: list[CountOut]


class HookList(Schema):
    items: list[HookOut]


class CallOut(Schema):
    """Secrets, numbers and texts are masked."""

    at: datetime | None
    took_ms: float
    method: str
    url: str
    request: str
    status: int
    response: str
    outcome: str


class CallList(Schema):
    items: list[CallOut]


class ValueOut(Schema):
    placeholder: str
    where: str
    found: list[str | None] = Field(description="one of each event; null: there is nothing")


class TrialOut(Schema):
    problem: str = Field(description="why nothing is read; empty where all is well")
    values: list[ValueOut]
    events: list[dict[str, Any]]


@router.get("", response=HookList, auth=may_read, summary="List hooks")
def list_hooks(request: HttpRequest) -> HookList:
    rows = list(services.hooks_of(organisation_of(request)).order_by("name"))
    counts = services.counts_of(rows)
    return HookList(items=[_out(request, row, counts.get(row.pk, [])) for row in rows])


@router.post("", response={201: HookOut}, auth=may_manage, summary="Create a hook")
def create_hook(request: HttpRequest, payload: HookCreate) -> Status[HookOut]:
    values = payload.dict()
    place = values.pop("connection_id"), values.pop("kind")
    created = services.create_hook(organisation_of(request), *place, _change(values), now_ms())
    return Status(201, _out(request, created, []))


@router.get("/{int:hook_id}", response=HookOut, auth=may_read, summary="Read a hook")
def read_hook(request: HttpRequest, hook_id: int) -> HookOut:
    return _counted(request, services.find_hook(organisation_of(request), hook_id))


@router.patch("/{int:hook_id}", response=HookOut, auth=may_manage, summary="Change a hook")
def change_hook(request: HttpRequest, hook_id: int, payload: HookChange) -> HookOut:
    change = _change(payload.dict())
    return _counted(request, services.change_hook(organisation_of(request), hook_id, change, now_ms()))


@router.delete("/{int:hook_id}", response={204: None}, auth=may_manage, summary="Delete a hook")
def delete_hook(request: HttpRequest, hook_id: int) -> Status[None]:
    services.delete_hook(organisation_of(request), hook_id)
    return Status(204, None)


@router.post("/{int:hook_id}/rotate", response=HookOut, auth=may_manage, summary="Give a hook another address")
def rotate_hook(request: HttpRequest, hook_id: int, payload: Rotation | None = None) -> HookOut:
    """The address of before is good for the grace time as well, so that nothing is lost until the provider has the new one."""
    grace_s = (payload or Rotation()).grace_s
    return _counted(request, services.rotate_token(organisation_of(request), hook_id, now_ms(), grace_s))


@router.post("/{int:hook_id}/test", response=TrialOut, auth=may_manage, summary="Try a call")
def try_call(request: HttpRequest, hook_id: int, payload: Trial) -> TrialOut:
    """Says what would be read from a call; nothing of it is kept."""
    hook = services.find_hook(organisation_of(request), hook_id)
    change = services.Change(payload=payload.payload, statuses=payload.statuses)
    return _read(services.try_call(hook, payload.call, change))


@router.get("/{int:hook_id}/calls", response=CallList, auth=may_read, summary="List the last calls")
def list_calls(request: HttpRequest, hook_id: int) -> CallList:
    """Those of the hook's connection, newest first; of each second a few are kept, and a hundred in all."""
    hook = services.find_hook(organisation_of(request), hook_id)
    return CallList(items=[_call(row) for row in services.last_calls(hook)])


def _change(values: dict[str, Any]) -> services.Change:
    proof = values.get("proof")
    if proof is not None and proof["secret"] is None:
        del proof["secret"]
    return services.Change(**values)


def _counted(request: HttpRequest, row: Hook) -> HookOut:
    return _out(request, row, services.counts_of([row]).get(row.pk, []))


def _out(request: HttpRequest, row: Hook, counts: list[HookCount]) -> HookOut:
    return HookOut(
        id=row.pk,
        connection_id=row.connection_id,
        name=row.name,
        kind=row.kind,
        url=_url(request, row),
        previous_until=shown_time(row.previous_until_ms),
        sender_number=row.sender_number,
        keywords=msgspec.to_builtins(services.shown_keywords(row)),
        payload=row.payload,
        statuses=row.statuses,
        proof=services.shown_proof(row),
        is_enabled=row.is_enabled,
        version=row.version,
        created_at=shown_time(row.created_ms),
        changed_at=shown_time(row.changed_ms),
        counts=[CountOut(outcome=one.outcome, calls=one.calls, last_at=shown_time(one.last_ms)) for one in counts],
    )


def _url(request: HttpRequest, row: Hook) -> str | None:
    """The address, by the public one of this installation or, where there is none, by the one that was asked here."""
    key = getattr(request, "auth", None)
    if not isinstance(key, ApiKey) or "manage" not in key.scopes:
        return None
    public_url = settings.CONFIGURATION.public_url
    return hook_url(public_url, row.token) or request.build_absolute_uri(f"{HOOKS}{row.token}")


def _call(row: Exchange) -> CallOut:
    return CallOut(
        at=shown_time(row.at_ms),
        took_ms=row.took_ms,
        method=row.method,
        url=row.url,
        request=row.request,
        status=row.status,
        response=row.response,
        outcome=row.outcome,
    )


def _read(preview: Preview) -> TrialOut:
    return TrialOut(
        problem=preview.problem,
        values=[ValueOut(placeholder=name, where=where, found=list(found)) for name, where, found in preview.values],
        events=[{"type": type(event).__name__, **msgspec.to_builtins(event)} for event in preview.events],
    )
