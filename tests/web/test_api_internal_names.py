"""Internal names of connections at the API: whose account a connection is, and what is wrong with its name."""

from tests.row import NOW_MS
from tests.web.caller import Caller

from chappe.features.accounts import operator

SMPP = {"provider": "smpp", "settings": {"host": "smsc.example.org", "account": "relais"}}


def relay(caller: Caller, login: str = "sms") -> None:
    operator.create_operator(caller.organisation.pk, login, "Marketing", ["administration"], NOW_MS)


def test_a_connection_is_made_as_an_operators_account(caller: Caller) -> None:
    relay(caller)
    made = caller.post("/v1/connections", SMPP | {"name": "North", "internal_name": "sms_crm"})
    assert made.status == 201
    assert (made.json["internal_name"], made.json["operator"], made.json["warnings"]) == ("sms_crm", "sms", [])
    assert caller.get("/v1/connections").json["items"] == [made.json]


def test_a_wrong_name_is_said_with_the_right_one(caller: Caller) -> None:
    relay(caller)
    for name in ("SMS_crm", "sms-crm"):
        refused = caller.post("/v1/connections", SMPP | {"name": "North", "internal_name": name})
        assert refused.status == 422
        assert "must be sms_crm" in refused.fields["internal_name"]
    assert caller.get("/v1/connections").json["items"] == []


def test_a_name_is_changed_and_what_belongs_to_nobody_is_warned_about(caller: Caller) -> None:
    made = caller.post("/v1/connections", SMPP | {"name": "North"}).json
    assert (made["internal_name"], made["operator"], made["warnings"]) == ("", None, [])
    changed = caller.patch(f"/v1/connections/{made['id']}", {"internal_name": "sms_crm", "version": 1}).json
    assert (changed["internal_name"], changed["operator"], changed["version"]) == ("sms_crm", None, 2)
    assert "no other Chappe finds this connection" in changed["warnings"][0]
    relay(caller)
    assert caller.get(f"/v1/connections/{made['id']}").json["warnings"] == []
    assert caller.patch(f"/v1/connections/{made['id']}", {"internal_name": ""}).json["operator"] is None


def test_the_name_goes_over_to_the_connection_that_replaces_another(caller: Caller) -> None:
    made = caller.post("/v1/connections", SMPP | {"name": "North", "internal_name": "sms_crm"}).json
    heir = caller.post(f"/v1/connections/{made['id']}/replace", {"settings": {"window": 3}}).json
    assert heir["internal_name"] == "sms_crm"
    assert caller.get(f"/v1/connections/{made['id']}").json["internal_name"] == ""


def test_the_secret_of_mids_calls_makes_itself_where_it_is_left_empty(caller: Caller) -> None:
    settings = {
        "internal_name": "crm",
        "base_url": "https://mid.example.com",
        "operator": "sms",
        "password": "pa55word12",
    }
    made = caller.post("/v1/connections", {"name": "Mid", "provider": "relay", "settings": settings})
    assert made.status == 201
    assert made.json["settings"]["signing_secret"] == "********"
    same = caller.patch(f"/v1/connections/{made.json['id']}", {"settings": {"operator": "sms"}})
    assert same.json["version"] == 1
    anew = caller.patch(f"/v1/connections/{made.json['id']}", {"settings": {"signing_secret": ""}})
    assert (anew.json["version"], anew.json["settings"]["signing_secret"]) == (2, "********")
