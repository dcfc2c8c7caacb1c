"""What the database's planner makes of our statements: none may read a growing table as a whole."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

__all__ = ["captured_statements", "count_rows", "scanning_statements"]

_GROWING = "|".join(
    f"mpm_{name}"
    for name in ("payment", "entry", "order", "message", "token", "attempt", "event", "customer",
                 "device", "plan", "plan_row", "access_debt", "telling", "push")
)  # fmt: skip
_SCANS = {
    "sqlite": re.compile(rf"^SCAN (?:{_GROWING})\b"),  # also over an index: that is all of it
    "postgresql": re.compile(rf"Seq Scan on (?:{_GROWING})\b"),
}
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
    explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    scan = _SCANS[engine.dialect.name]
    scanning = set()
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            # a small table is read as a whole because it is small; here only what must be counts
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement, given in said:
            if not statement.startswith(("SELECT", "UPDATE", "INSERT", "DELETE")):
                continue
            plan = connection.exec_driver_sql(explain + statement, given).all()
            if any(scan.search(str(row[-1])) for row in plan):
                scanning.add(" ".join(statement.split())[:200])
        connection.rollback()
    return scanning
