"""Index the payments that need a person: there are few of them, whatever the history.

Disputed ones are among them, so they need no index of their own.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_NEEDS_PERSON = "ix_mpm_payment_needs_person"
_DISPUTED = "ix_mpm_payment_disputed"


def upgrade() -> None:
    """Put the one index in the place of the other."""
    _make_index(_NEEDS_PERSON, ["company_id", "id"], "needs_person")
    op.drop_index(_DISPUTED, "mpm_payment")


def downgrade() -> None:
    """Take it back."""
    _make_index(_DISPUTED, ["company_id"], "disputed")
    op.drop_index(_NEEDS_PERSON, "mpm_payment")


def _make_index(name: str, columns: list[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(
        name, "mpm_payment", columns, sqlite_where=condition, postgresql_where=condition
    )
