"""Letting a database settle: what was measured before must not be paid by what is measured next."""

from __future__ import annotations

from sqlalchemy.engine import Engine

__all__ = ["settle"]

# What PostgreSQL does by itself after a while; SQLite counts its rows only when asked to, which the
# host never does.
_SETTLE = {"sqlite": ("VACUUM",), "postgresql": ("VACUUM ANALYZE", "CHECKPOINT")}


def settle(engine: Engine) -> None:
    """Have the database tidy up now; none of this works inside a transaction."""
    raw = engine.raw_connection()
    try:
        if engine.dialect.name == "postgresql":
            raw.driver_connection.autocommit = True
        for statement in _SETTLE[engine.dialect.name]:
            raw.cursor().execute(statement)
    finally:
        raw.invalidate()  # its setting must not go back into the pool
