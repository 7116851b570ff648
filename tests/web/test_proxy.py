"""Behind a proxy: whose word on the caller's address is believed."""

import http.client
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.e2e.installation import HOST, Installation

CALLER = "203.0.113.7"


@pytest.mark.parametrize(
    ("proxies", "noted"), [("", HOST), ("127.0.0.0/8", CALLER), ("192.0.2.1", HOST)], ids=["none", "trusted", "another"]
)
def test_the_caller_s_address_is_the_proxy_s_word_where_it_is_trusted(proxies: str, noted: str, tmp_path: Path) -> None:
    path = tmp_path / "chappe.sqlite3"
    with Installation(tmp_path, f"sqlite:///{path}") as house:
        house.environment["CHAPPE_TRUSTED_PROXIES"] = proxies
        (key,) = house.people("Relais")
        house.start_web()
        asked = http.client.HTTPConnection(HOST, house.port, timeout=20)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "X-Forwarded-For": CALLER}
        asked.request("POST", "/v1/lists", b'{"name": "Customers"}', headers)
        assert asked.getresponse().status == 201
        asked.close()
    with closing(sqlite3.connect(path)) as database:
        ((address,),) = database.execute("SELECT address FROM audit_event WHERE subject_kind = 'list'").fetchall()
    assert address == noted
