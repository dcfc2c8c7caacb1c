"""What alembic runs to apply or compare: on the connection that `upgrade` hands over."""

from __future__ import annotations

from typing import Literal

from alembic import context

__all__: list[str] = []

_Kind = Literal["schema", "table", "column", "index", "unique_constraint", "foreign_key_constraint"]


def _is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Leave the job engine's tables, which may share the database, alone."""
    return kind != "table" or (name or "").startswith("mpm_")


_attributes = context.config.attributes
_connection = _attributes["connection"]
context.configure(
    connection=_connection,
    target_metadata=_attributes["metadata"],
    version_table=_attributes["version_table"],
    render_as_batch=_connection.dialect.name == "sqlite",
    compare_type=True,
    include_name=_is_ours,
)
with context.begin_transaction():
    context.run_migrations()
