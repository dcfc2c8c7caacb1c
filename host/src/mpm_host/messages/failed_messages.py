"""Messages that never reached their customers, counted for `mpm doctor`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_host.actions.resending import AGAIN
from mpm_host.database import tables as t
from mpm_host.payments.payment_messages import DELAYED

__all__ = ["count_untold_payments"]


def count_untold_payments(
    connection: Connection, company_ids: Sequence[str], since: datetime
) -> Mapping[str, int]:
    """Return of how many payments each company's customers were not told, though they should be.

    A message that failed and was sent again is none, nor one that only says that a token is late.

    Args:
        connection: to read with.
        company_ids: of which companies.
        since: what is older is history.
    """
    m, again = t.messages.c, t.messages.alias("again")
    sent_again = sa.exists().where(
        again.c.payment_id == m.payment_id,
        again.c.id > m.id,
        again.c.key.contains(AGAIN),
        again.c.status != "failed",
    )
    query = (
        sa.select(m.company_id, sa.func.count(m.payment_id.distinct()))
        .where(
            m.company_id.in_(company_ids),
            m.status == sa.text("'failed'"),  # as the partial index has it
            m.created_at >= since,
            m.key.not_like(f"%{DELAYED}"),
            ~sent_again,
        )
        .group_by(m.company_id)
    )
    return {row[0]: row[1] for row in connection.execute(query)}
