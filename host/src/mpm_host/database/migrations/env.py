"""What alembic runs to apply or compare: on the connection that `upgrade` hands over."""

from __future__ import annotations

from typing import Literal

from alembic import context

__all__: list[str] = []


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Leave the job engine's tables, which may share the database, alone."""
    return kind != "table" or (name or "").startswith("mpm_")


def _render(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Write our own column types as what they are in the database: revisions import no code."""
    is_moment = kind == "type" and type(item).__name__ == "Instant"
    return "sa.BigInteger()" if is_moment else False


_attributes = context.config.attributes
_connection = _attributes["connection"]
context.configure(
    connection=_connection,
    target_metadata=_attributes["metadata"],
    version_table=_attributes["version_table"],
    render_as_batch=_connection.dialect.name == "sqlite",
    compare_type=True,
    include_name=_is_ours,
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()
