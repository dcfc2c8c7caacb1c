"""Let a call to switch a device speak only for what nobody changed meanwhile, one at a time.

Two workers' calls could cross, or one's cross with a payment, and a paid device stay off.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; a call that is out has no lease, and its device is asked again."""
    op.add_column(
        "mpm_switch",
        sa.Column("fence", sa.Integer(), nullable=False, server_default=sa.text("0")),
    )
    op.add_column("mpm_switch", sa.Column("lease_until", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Drop them; a device whose call is out is asked again when its lease would have ended."""
    op.drop_column("mpm_switch", "lease_until")
    op.drop_column("mpm_switch", "fence")
