"""Authentication: from a bearer to the principal it stands for."""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import Secret
from mpm_host.access.agent_logins import agent_behind
from mpm_host.access.bearers import BearerKind, digest_of, kind_of
from mpm_host.access.principal import Principal
from mpm_host.access.roles import Role
from mpm_host.database.access_tables import api_keys, sessions, users
from mpm_host.directory import Directory

__all__ = ["ABSOLUTE", "IDLE", "find_principal", "is_stale", "touch"]

ABSOLUTE = timedelta(hours=12)  # a session ends, however busy
IDLE = timedelta(hours=2)  # a session ends when nobody uses it
_TOUCH_AFTER = timedelta(minutes=5)  # so that reading does not write every time


def find_principal(
    connection: Connection, directory: Directory, bearer: Secret, now: datetime
) -> Principal | None:
    """Return who a bearer stands for; `None` if it is unknown, over, revoked or disabled."""
    match kind_of(bearer):
        case BearerKind.API_KEY:
            return _by_api_key(connection, directory, bearer)
        case BearerKind.SESSION:
            return _by_session(connection, directory, bearer, now)
        case None:
            return None


def is_stale(connection: Connection, session_id: str, now: datetime) -> bool:
    """Tell whether a session's last use should be noted again."""
    seen = sa.select(sessions.c.seen_at).where(sessions.c.id == session_id)
    return bool(now - connection.execute(seen).scalar_one() >= _TOUCH_AFTER)


def touch(connection: Connection, session_id: str, now: datetime) -> None:
    """Note that a session is in use."""
    connection.execute(sa.update(sessions).where(sessions.c.id == session_id).values(seen_at=now))


def _by_api_key(connection: Connection, directory: Directory, bearer: Secret) -> Principal | None:
    k = api_keys.c
    query = sa.select(k.id, k.company_id, k.name, k.role, k.elevated_until).where(
        k.digest == digest_of(bearer), k.revoked_at.is_(None)
    )
    row = connection.execute(query).first()
    company = directory.companies.get(row.company_id) if row else None
    if row is None or company is None:
        return None
    principal = Principal(
        company=company,
        kind=BearerKind.API_KEY,
        id=row.id,
        name=f"API key {row.name}"[:200],
        role=Role(row.role),
        elevated_until=row.elevated_until,
    )
    return _with_agent(connection, principal, api_key_id=row.id)


def _by_session(
    connection: Connection, directory: Directory, bearer: Secret, now: datetime
) -> Principal | None:
    s, u = sessions.c, users.c
    query = (
        sa.select(s.id, s.user_id, s.elevated_until, u.company_id, u.email, u.role)
        .join(users, u.id == s.user_id)
        .where(
            s.digest == digest_of(bearer),
            s.ended_at.is_(None),
            s.expires_at > now,
            s.seen_at > now - IDLE,
            u.enabled,
        )
    )
    row = connection.execute(query).first()
    company = directory.companies.get(row.company_id) if row else None
    if row is None or company is None:
        return None
    principal = Principal(
        company=company,
        kind=BearerKind.SESSION,
        id=row.id,
        name=row.email,
        role=Role(row.role),
        user_id=row.user_id,
        elevated_until=row.elevated_until,
    )
    return _with_agent(connection, principal, user_id=row.user_id)


def _with_agent(
    connection: Connection,
    principal: Principal,
    *,
    user_id: str | None = None,
    api_key_id: str | None = None,
) -> Principal | None:
    """Add whom an agent's login acts for; without an enabled agent it opens nothing."""
    if principal.role is not Role.AGENT:
        return principal
    agent_id = agent_behind(connection, user_id=user_id, api_key_id=api_key_id)
    return None if agent_id is None else attrs.evolve(principal, agent_id=agent_id)
