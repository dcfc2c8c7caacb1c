"""Writing the audit trail: who changed what, when, from what to what; never a secret."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import attrs
import sqlalchemy as sa

from mpm_host.database.tables import audit
from mpm_host.identifiers import new_identifier

__all__ = ["REASON_LENGTH", "Actor", "write_audit"]

REASON_LENGTH = 500  # of the columns


@attrs.frozen(kw_only=True)
class Actor:
    """Who acts, when, and why.

    Attributes:
        name: `configuration`, `command line (root)`, or a user's e-mail address.
        at: aware.
        reason: in the actor's own words; empty if none was asked for.
    """

    name: str
    at: datetime
    reason: str = ""


def write_audit(  # noqa: PLR0913 - one column each
    connection: sa.Connection,
    actor: Actor,
    *,
    company_id: str | None,
    action: str,
    subject: str,
    before: Mapping[str, object],
    after: Mapping[str, object],
) -> None:
    """Note one change.

    Args:
        connection: in the transaction of the change.
        actor: who makes it.
        company_id: whose data it is; none for the host's own.
        action: such as `instance.enabled`.
        subject: what was changed: a slug, a name, an id.
        before: JSON values, secrets masked.
        after: the same.
    """
    connection.execute(
        sa.insert(audit).values(
            id=new_identifier(),
            company_id=company_id,
            at=actor.at,
            actor=actor.name,
            action=action,
            subject=subject,
            before=dict(before),
            after=dict(after),
            reason=actor.reason,
        )
    )
