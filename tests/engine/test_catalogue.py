"""The store's statements fit the tables that the models declare, and the hot ones walk an index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.db import models
from tests.conftest import administer, sibling
from tests.engine.stock import NAMES, Stock

from chappe.engine.store import (
    callback_catalogue,
    catalogue,
    click_catalogue,
    hook_catalogue,
    postgresql,
    relay_catalogue,
    rule_catalogue,
    sqlite,
    trace_catalogue,
)
from chappe.engine.store.statement import Bulk, Column, Delete, Insert, Query, Update

STATEMENTS: dict[str, Bulk | Query] = {
    name: value
    for module in (
        catalogue,
        callback_catalogue,
        click_catalogue,
        hook_catalogue,
        relay_catalogue,
        rule_catalogue,
        trace_catalogue,
    )
    for name, value in vars(module).items()
    if isinstance(value, Insert | Update | Delete | Query)
}
BULK = {name: one for name, one in STATEMENTS.items() if not isinstance(one, Query)}
QUERIES = {name: one for name, one in STATEMENTS.items() if isinstance(one, Query)}
TABLES = {model._meta.db_table: model for model in apps.get_models()}

TYPES = {
    models.BooleanField: "boolean",
    models.BinaryField: "bytea",
    models.SmallIntegerField: "smallint",
    models.BigIntegerField: "bigint",
    models.IntegerField: "integer",
    models.CharField: "text",
    models.TextField: "text",
    models.FloatField: "double precision",
}
SAMPLE: dict[str, Any] = {"boolean": True, "bytea": b"x", "text": "x", "smallint": 1, "integer": 1, "bigint": 1}
SAMPLE["double precision"] = 1.5

QUARANTINE = (1, "sms", "+336", "")
VALUES: dict[str, tuple[Any, ...]] = {
    "MESSAGES_IN_RANGE": (1, 2),
    "FIND_IDEMPOTENCY": (1, ["a", "b"]),
    "API_KEYS": (["x", "y"],),
    "API_KEY_USED": (1, 1),
    "RELAY_OPERATORS": (),
    "TAKE_IDS": ("message", 1, 1),
    "ADD_COUNTS": (1, 10, 1),
    "FINISH_DELIVERY": (1, 1, 1),
    "BLOCKED": (1, "sms", ["+336"]),
    "LEASABLE": (1, 1, False, 1, 5),
    "SWEEPABLE": (1, 1, 20),
    "WAITING_IN_RANGE": (1, 2),
    "WAITING_AMONG": ([1, 2],),
    "SEGMENTS_OF": (1, 2),
    "DELIVERY_STATUS": ([1, 2], [1, 2]),
    "MESSAGES_NOW": ([1, 2],),
    "STILL_WAITING": ([1, 2],),
    "LOCK_MESSAGES": ([1, 2],),
    "LOCK_SEGMENTS": ([1, 2],),
    "SEGMENTS_BY_PROVIDER_ID": (1, ["a", "b"]),
    "ORPHAN_SEEN": (1, "a", "s", "c", 1, 1),
    "QUALIFICATION": (1, "t", "f", "soft", "r", "keep", 1, 1, 1),
    "QUARANTINE_NOW": QUARANTINE,
    "SET_QUARANTINE": (*QUARANTINE, "valid", "", 0, 0, 1, 1),
    "DELIVERED_SINCE": ("+336", 1, 1),
    "REOPEN_DELIVERY": (1, 1),
    "REPLIES_SINCE": (1, "+336", 1, 1),
    "INBOUND_PARTS_OF": (1, "a", "b", 7, 2),
    "STALE_INBOUND_PARTS": ([1, 2], 1),
    "DELETE_INBOUND_PARTS": (1, "a", "b", 7, 2),
    "INBOUND_SEEN": (1, ["a", "b"]),
    "HOOK_EVENTS_ARE_DUE": (1, [1, 2]),
    "DUE_HOOK_EVENTS": (1, [1, 2], 10),
    "TRIM_EXCHANGES": (1, "in", 1, "in", 100),
    "CALLBACK_ENDPOINTS": (),
    "DUE_CALLBACK_EVENTS": (1, 1, 100),
    "CALLBACK_MESSAGES": ([1, 2],),
    "CALLBACK_SEGMENTS": ([1, 2],),
    "CALLBACK_INBOUND": ([1, 2],),
    "DISABLE_ENDPOINT": (False, "gone", 1, 1, 1),
    "BURY_CALLBACK_EVENTS": (1, "late", 1, 1, 1, 100),
    "OLDEST_KEPT_DEAD_LETTER": (1, 100),
    "DROP_DEAD_LETTERS": (1, 1, 100),
    "DROP_CALLBACK_EVENTS": (1, 100),
    "DROP_ENDPOINT": (1, 1),
    "OLD_TRAFFIC": (300_000, 1, 500),
    "PLACES": ([1, 2],),
    "ORGANISATION_RULES": (),
    "RULES_OF": (1,),
    "DELIVERY_KINDS": ([1, 2],),
    "CATEGORIES_IN_RANGE": (1, 2),
    "CATEGORIES_AMONG": ([1, 2],),
    "PRIORITY_OF": (1,),
    "LAST_WAITS": ([1, 2],),
    "CONNECTIONS": (),
    "DESCRIBED_HOOKS": (True,),
    "HOOKS": (),
    "COUNT_CALLS": (1, 1, 0, "accepted", 1, 1),
    "OPEN_TRACES": (1,),
    "ROOM_OF_TRACE": (1,),
    "COUNT_TRACE_ENTRIES": (1, 1, 1),
    "END_TRACE": (1, 1, 1),
    "QUARANTINE_SINCE": (1,),
    "DELIVERIES_SINCE": (1, 1),
    "TAKE_LINK": (1, 0, "me", 1, 1),
    "DROP_LINKS": ("me", 1, 0),
    "SHOW_LINK": (1, 0, "transceiver", "me", "bound", "", 10, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1, 1),
    "HIDE_LINKS": (1, 0),
    "RELAYED_IN_RANGE": (1, 2),
    "RELAYED_AMONG": ([1, 2],),
    "MID_LINK_BASES": (),
    "RELAY_CONNECTIONS": (),
    "RELAY_ACCOUNTS": (),
    "LEASE_RELAY_ACCOUNT": ("me", 1, 1, 1, 1, "me", 1),
    "RELAY_PAGES": (1, 2, 100),
    "RELAY_PUSHED": (1, 1, 1, 1),
    "RELAY_PUSH_FAILED": ("it was busy", 1, "me"),
    "DROP_RELAY_PAGES": (1, 100),
    "RELAY_PUSH_TAKEN": (1, 1, 0, 1, 0),
    "RELAY_PAGE_NOW": (1, 0, 1, 0, 1),
    "RELAY_PAGE_HEEDED": (1, 1),
    "RELAY_LINK": (1,),
    "BEGIN_RELAY_LINK": (1, 0, 0, 0, 0),
    "QUARANTINE_TO_TELL": (1, 1, 0, 1, 100),
    "DELIVERIES_TO_TELL": (1, 1, 0, 1, 100),
    "RELAY_OPEN_DELIVERIES": (1, 1, 100),
    "QUARANTINE_AT": (1, "+336", ""),
    "RELAY_LINK_IS": (1, 1, 1, 1, 1, "", "", None, "", 1, 1, 1),
    "HANDED_OVER": (1, 2, 1, 1),
    "LINKED_MESSAGES": ([1, 2],),
    "CLICKED_MESSAGES": ([1, 2],),
    "CLICKS": ([1, 2],),
    "HOLD_LINK_COUNT": (1,),
    "COUNTED_LINKS": (1,),
}
SMALL = {
    "CONNECTIONS": "connection",
    "ORGANISATION_RULES": "organisation_settings",
    "DESCRIBED_HOOKS": "hook",
    "HOOKS": "hook",
    "RELAY_OPERATORS": "operator",
    "MID_LINK_BASES": "relay_link",
    "RELAY_CONNECTIONS": "relay_account",
    "RELAY_ACCOUNTS": "relay_account",
    "CALLBACK_ENDPOINTS": "callback_endpoint",
    "SWEEPABLE": "outbox",
    "STALE_INBOUND_PARTS": "inbound_part",
}
"""Statements that look through a whole table: one that is small (a row for a thousand messages), once a second."""


def field_type(field: models.Field[Any, Any]) -> str:
    if isinstance(field, models.ForeignKey | models.AutoField):
        return "bigint"
    return next(name for kind, name in TYPES.items() if isinstance(field, kind))


def fields_of(table: str) -> dict[str, models.Field[Any, Any]]:
    assert table in TABLES, f"no model declares {table}"
    return {field.column: field for field in TABLES[table]._meta.concrete_fields}


def columns_of(statement: Bulk) -> list[Column]:
    keys = () if isinstance(statement, Insert) else statement.keys
    columns = () if isinstance(statement, Delete) else statement.columns
    return [*columns, *keys]


@pytest.mark.parametrize("name", list(BULK))
def test_columns_are_there_and_have_the_type_that_the_model_says(name: str) -> None:
    statement = BULK[name]
    fields = fields_of(statement.table)
    for column in columns_of(statement):
        assert column.name in fields, f"{statement.table} has no column {column.name}"
        assert column.type == field_type(fields[column.name]), column.name


@pytest.mark.parametrize("name", [name for name, one in BULK.items() if isinstance(one, Insert)])
def test_an_insert_gives_every_column_that_has_no_value_of_its_own(name: str) -> None:
    statement = BULK[name]
    given = {column.name for column in columns_of(statement)}
    missing = {
        column
        for column, field in fields_of(statement.table).items()
        if column not in given and not field.null and not isinstance(field, models.AutoField)
    }
    assert missing == set()


def test_every_single_statement_is_tried_below() -> None:
    assert set(VALUES) == set(QUERIES)


@pytest.mark.parametrize("name", list(QUERIES))
def test_a_single_statement_runs(stock: Stock, name: str) -> None:
    with stock.store.transaction():
        stock.store.database.query(QUERIES[name], VALUES[name])


@pytest.mark.parametrize("name", list(BULK))
def test_a_bulk_statement_runs_and_counts_its_rows(stock: Stock, name: str) -> None:
    statement = BULK[name]
    row = tuple(SAMPLE[column.type] for column in columns_of(statement))
    with stock.store.transaction():
        changed = stock.store.database.run(statement, [row])
    assert changed == (1 if isinstance(statement, Insert) else 0)


# -- plans -------------------------------------------------------------------------------------------------------------


def sqlite_plan(stock: Stock, sql: str, values: tuple[Any, ...]) -> list[str]:
    rows = stock.store.database.query(Query(f"EXPLAIN QUERY PLAN {sql}"), values)
    return [str(row[3]) for row in rows]


HOT = [name for name, one in STATEMENTS.items() if name not in SMALL and not isinstance(one, Insert)]


@pytest.mark.parametrize("name", HOT)
def test_a_hot_statement_scans_no_table_of_the_embedded_database(sqlite_url: str, name: str) -> None:
    stock = Stock(sqlite_url)
    statement = STATEMENTS[name]
    if isinstance(statement, Query):
        plan = sqlite_plan(stock, statement.sql, VALUES[name])
    else:
        values = tuple(SAMPLE[column.type] for column in columns_of(statement))
        plan = sqlite_plan(stock, sqlite._compile(statement), values)
    stock.close()
    scans = [step for step in plan if step.startswith("SCAN") and "json_each" not in step and "CONSTANT" not in step]
    assert scans == [], plan


@pytest.fixture(scope="module")
def planner(postgresql_server: str, postgresql_template: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to an empty database whose planner takes an index wherever one helps."""
    administer(postgresql_server, f"CREATE DATABASE chappe_plans TEMPLATE {postgresql_template} STRATEGY FILE_COPY")
    with psycopg.connect(sibling(postgresql_server, "chappe_plans"), autocommit=True) as connection:
        connection.execute("SET enable_seqscan = off")
        yield connection
    administer(postgresql_server, "DROP DATABASE chappe_plans WITH (FORCE)")


@pytest.mark.postgresql
@pytest.mark.parametrize("name", HOT)
def test_a_hot_statement_scans_no_table_of_postgresql(planner: psycopg.Connection[Any], name: str) -> None:
    statement = STATEMENTS[name]
    if isinstance(statement, Query):
        sql, values = postgresql._translate(statement.sql), list(VALUES[name])
    else:
        sql = postgresql._compile(statement)
        values = [[SAMPLE[column.type]] for column in columns_of(statement)]
    plan = [str(row[0]) for row in planner.execute(f"EXPLAIN {sql}".encode(), values)]
    assert [step for step in plan if "Seq Scan" in step] == [], plan


def test_the_next_batch_is_found_by_the_index_of_what_is_due(sqlite_url: str) -> None:
    stock = Stock(sqlite_url)
    plan = sqlite_plan(stock, sqlite._translate(catalogue.LEASABLE.sql), VALUES["LEASABLE"])
    stock.close()
    assert any("outbox_due" in step for step in plan)
    assert not any("TEMP B-TREE FOR ORDER BY" in step for step in plan), plan


def test_what_another_chappe_is_told_of_the_quarantine_is_found_among_the_organisations_own(sqlite_url: str) -> None:
    stock = Stock(sqlite_url)
    plan = sqlite_plan(stock, relay_catalogue.QUARANTINE_TO_TELL.sql, VALUES["QUARANTINE_TO_TELL"])
    stock.close()
    assert any("quarantine_to_tell (organisation_id=? AND changed_ms>?)" in step for step in plan), plan
    assert not any("TEMP B-TREE" in step for step in plan), plan


@pytest.mark.postgresql
def test_postgresql_finds_it_in_its_order_too(planner: psycopg.Connection[Any]) -> None:
    sql, values = postgresql._translate(relay_catalogue.QUARANTINE_TO_TELL.sql), list(VALUES["QUARANTINE_TO_TELL"])
    plan = [str(row[0]) for row in planner.execute(f"EXPLAIN {sql}".encode(), values)]
    assert any("quarantine_to_tell" in step for step in plan), plan


def test_deliveries_that_were_cancelled_are_found_without_looking_at_the_others(sqlite_url: str) -> None:
    stock = Stock(sqlite_url)
    plan = sqlite_plan(stock, sqlite._translate(catalogue.SWEEPABLE.sql), VALUES["SWEEPABLE"])
    stock.close()
    assert any("relay_delivery_cancelled" in step for step in plan), plan


# -- rows --------------------------------------------------------------------------------------------------------------


def test_a_new_message_has_its_values_in_the_order_of_the_columns() -> None:
    given: dict[str, Any] = {
        "organisation_id": 2,
        "connection_id": 3,
        "delivery_id": 4,
        "contact_id": 5,
        "channel": "rcs",
        "category": 1,
        "recipient": "+336",
        "sender": "36180",
        "body": "text",
        "options": b"{}",
        "segments": 6,
        "state": 70,
        "reason": "denylisted",
        "client_reference": "theirs",
        "created_ms": 7,
        "due_ms": 8,
        "expires_ms": 9,
        "done_ms": 10,
    }
    untried = {"attempt": 0, "tries": 0, "is_possible_duplicate": False, "sent_ms": 0}
    row = catalogue.new_message(1, **given)
    assert dict(zip(NAMES, row, strict=True)) == {"id": 1} | given | untried


def test_a_new_message_waits_unless_told_otherwise() -> None:
    row = catalogue.new_message(
        1, 2, 3, category=0, recipient="+336", sender="", body="text", segments=1, created_ms=7, due_ms=8
    )
    values = dict(zip(NAMES, row, strict=True))
    assert (values["state"], values["channel"], values["options"], values["expires_ms"]) == (10, "sms", None, 0)
