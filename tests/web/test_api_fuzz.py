"""Whatever a program sends: an answer, never a failure of ours, and nothing kept of what was refused."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.web.caller import Caller

from chappe.features.connections.models import Connection
from chappe.features.consent.models import Quarantine

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
setting_names = st.sampled_from(["host", "port", "window", "password", "encodings", "success_pattern", "tls", "mode"])
connections = st.fixed_dictionaries(
    {"name": st.text(max_size=5) | json_values, "provider": st.just("smpp") | json_values},
    optional={"settings": st.dictionaries(setting_names, json_values) | json_values, "is_enabled": json_values},
)
entries = st.fixed_dictionaries(
    {"address": st.from_regex(r"\+?[0-9 ]{0,20}", fullmatch=True) | json_values},
    optional={"channel": json_values, "short_code": st.text(max_size=5), "reason": st.text(max_size=5) | json_values},
)
# The database stays the same from one example to the next; each looks only at what it adds.
quick = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
surely_refused = (400, 409, 422)


@quick
@given(st.binary(max_size=40) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_octets_as_a_body_are_answered(caller: Caller, content: bytes) -> None:
    for path in ("/v1/connections", "/v1/quarantine"):
        assert caller.raw("POST", path, content).status in (201, *surely_refused)


@quick
@given(connections)
def test_any_connection_is_kept_whole_or_not_at_all(caller: Caller, content: dict[str, object]) -> None:
    before = Connection.objects.count()
    answer = caller.post("/v1/connections", content)
    assert answer.status in (201, *surely_refused), answer.text
    assert Connection.objects.count() == before + (answer.status == 201)
    if answer.status == 201:
        assert caller.get(f"/v1/connections/{answer.json['id']}").json == answer.json


@quick
@given(entries)
def test_any_entry_is_kept_whole_or_not_at_all(caller: Caller, content: dict[str, object]) -> None:
    before = Quarantine.objects.count()
    answer = caller.post("/v1/quarantine", content)
    assert answer.status in (201, *surely_refused), answer.text
    if answer.status != 201:
        assert Quarantine.objects.count() == before
    else:
        assert caller.get("/v1/quarantine", address=answer.json["address"]).json["items"] != []


@quick
@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=5))
def test_any_question_is_answered(caller: Caller, words: str, cursor: str, limit: str) -> None:
    paths = {"/v1/messages": "recipient", "/v1/inbound": "sender", "/v1/quarantine": "address"}
    for path, name in paths.items():
        answer = caller.get(path, **{name: words, "cursor": cursor, "limit": limit or 50})
        assert answer.status in (200, 422), answer.text
