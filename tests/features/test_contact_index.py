"""Walks of lists and look-ups of people use an index, however many there are."""

import pytest

from chappe.engine.store.statement import Query
from chappe.features.contacts import importing
from chappe.features.deliveries import analysis
from chappe.features.message_store import open_store
from chappe.web.intake import committer

WALK = (1, "", 0, 100)


@pytest.mark.parametrize(
    ("query", "values", "index"),
    [
        (analysis.AUDIENCE, WALK, "contact_list_member"),
        (analysis.WITHOUT_EMAIL, WALK, "contact_list_member"),
        (analysis.BY_EMAIL, WALK, "contact_list_member_email"),
        (committer.PEOPLE, (1, ["a@example.org"]), "contact_email"),
        (importing.KNOWN_CONTACTS, (1, ["A"]), "contact_external_id_once"),
    ],
    ids=["by number", "without an address", "by address", "people of addresses", "known people"],
)
def test_no_table_is_read_whole(database: str, query: Query, values: tuple[object, ...], index: str) -> None:
    with open_store() as store:
        if store.database.name == "sqlite":
            steps = store.database.query(Query(f"EXPLAIN QUERY PLAN {query.sql}", ("a", "b", "c", "d")), values)
        else:
            # An empty table is always read whole; what counts is that a full one would not have to be.
            for kind in ("seqscan", "bitmapscan"):
                store.database.query(Query(f"SET enable_{kind} = off"))
            steps = store.database.query(Query(f"EXPLAIN {query.sql}", ("step",)), values)
    plan = " ".join(str(step[-1]) for step in steps)
    assert index in plan
    assert "SCAN contact" not in plan and "SCAN m" not in plan
    assert "Seq Scan" not in plan
    assert values is not WALK or ("Sort" not in plan and "TEMP B-TREE" not in plan)
