"""What the database's planner makes of our statements: none may read a growing table as a whole."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

__all__ = ["captured_statements", "count_rows", "scanning_statements"]

_GROWING = frozenset(
    f"mpm_{name}"
    for name in ("payment", "entry", "order", "message", "token", "attempt", "event", "customer",
                 "device", "plan", "plan_row", "access_debt", "telling", "push", "delivery_report")
)  # fmt: skip
_SQLITE_SCAN = re.compile(r"^SCAN (\w+)")  # also over an index: that is all of it
_INDEX_SCANS = frozenset({"Index Scan", "Index Only Scan"})
# What a planner does with a small table because it is small. What is left is a bitmap, which needs
# a condition that an index answers (or an index of only what is open): who has none shows here.
_NOT_ASKED_FOR = ("enable_seqscan", "enable_indexscan", "enable_indexonlyscan", "enable_mergejoin",
                  "enable_hashjoin")  # fmt: skip
Statement = tuple[str, Any]


@contextlib.contextmanager
def captured_statements(*engines: Engine) -> Iterator[list[Statement]]:
    """Collect every statement, with its first parameters, while the block runs."""
    said: list[Statement] = []

    def note(_c: object, _cursor: object, statement: str, given: Any, *_rest: object) -> None:
        said.append((statement, given[0] if isinstance(given, list) else given))

    for engine in set(engines):
        sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        for engine in set(engines):
            sa.event.remove(engine, "before_cursor_execute", note)


def count_rows(engine: Engine) -> None:
    """Have the planner know what is in the tables; PostgreSQL does it by itself after a while."""
    with engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")


def scanning_statements(engine: Engine, said: Sequence[Statement]) -> set[str]:
    """Return the beginnings of those statements whose plan reads a growing table as a whole."""
    reads_all = _reads_all_sqlite if engine.dialect.name == "sqlite" else _reads_all_postgresql
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            for path in _NOT_ASKED_FOR:
                connection.exec_driver_sql(f"SET LOCAL {path} = off")
        scanning = {
            " ".join(statement.split())[:200]
            for statement, given in said
            if statement.startswith(("SELECT", "UPDATE", "INSERT", "DELETE"))
            and reads_all(connection, statement, given)
        }
        connection.rollback()
    return scanning


def _reads_all_sqlite(connection: Connection, statement: str, given: Any) -> bool:
    plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given).all()
    scans = (_SQLITE_SCAN.match(str(row[-1])) for row in plan)
    return any(scan is not None and scan[1] in _GROWING for scan in scans)


def _reads_all_postgresql(connection: Connection, statement: str, given: Any) -> bool:
    """Tell whether a node reads all of a table, or all of an index: one without a condition."""
    (plan,) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", given).scalar_one()
    return any(_reads_all(node) for node in _nodes(plan["Plan"]))


def _reads_all(node: Mapping[str, Any]) -> bool:
    if node.get("Relation Name") not in _GROWING:
        return False
    kind = node["Node Type"]
    return kind == "Seq Scan" or (kind in _INDEX_SCANS and "Index Cond" not in node)


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield every node of a plan."""
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)
