"""Every table there is, for what must miss none: migrations, and tests that look at everything."""

from __future__ import annotations

from mpm_host.database import (
    access_tables,
    agent_tables,
    company_tables,
    debt_tables,
    host_tables,
    import_tables,
    order_tables,
    outbox_tables,
    payment_tables,
)
from mpm_host.database.columns import metadata

__all__ = [
    "access_tables",
    "agent_tables",
    "company_tables",
    "debt_tables",
    "host_tables",
    "import_tables",
    "metadata",
    "order_tables",
    "outbox_tables",
    "payment_tables",
]
