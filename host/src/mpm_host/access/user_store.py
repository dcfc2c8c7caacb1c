"""Users of a company: creating, changing, listing; the last owner stays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mpm_host.access.access_refusals import AccessCode
from mpm_host.access.agent_logins import bind_login, check_login_agent, require_same_kind
from mpm_host.access.roles import Role, may_assign
from mpm_host.companies.audit_trail import Actor, write_audit
from mpm_host.database.access_tables import password_resets, sessions, users
from mpm_host.identifiers import new_identifier
from mpm_host.refusals import ServiceRefused
from mpm_host.registration.inputs import read_name

__all__ = [
    "NewUser",
    "StoredUser",
    "UserChange",
    "change_user",
    "create_user",
    "find_user",
    "list_users",
    "read_email",
]

# Deliberately loose: what has an @ and a dot behind it may be an address; only a mail tells.
# 200 characters in all, as the columns.
_EMAIL = re.compile(r"[^\s@,;<>\"']{1,64}@[^\s@,;<>\"']{1,114}\.[^\s@,;<>\"'.]{2,20}")


@attrs.frozen(kw_only=True)
class NewUser:
    """Somebody to let in.

    Attributes:
        password: hashed.
        agent_id: whom they act for: required for role agent, forbidden for others.
    """

    email: str
    name: str
    role: Role
    password: str = attrs.field(repr=False)
    agent_id: str | None = None


@attrs.frozen(kw_only=True)
class StoredUser:
    """Somebody who may log in, if enabled."""

    id: str
    email: str
    name: str
    role: Role
    enabled: bool
    created_at: datetime


@attrs.frozen(kw_only=True)
class UserChange:
    """What to change of a user; `None` leaves it.

    Attributes:
        password: hashed.
    """

    name: str | None = None
    role: Role | None = None
    enabled: bool | None = None
    password: str | None = attrs.field(default=None, repr=False)


def read_email(text: str) -> str:
    """Return an e-mail address in small letters, by which people log in.

    Raises:
        ServiceRefused: `email_invalid`.
    """
    email = text.strip().casefold()
    if not _EMAIL.fullmatch(email) or not email.isprintable():
        raise ServiceRefused(
            AccessCode.EMAIL_INVALID,
            f"{text[:60]!r} is not an e-mail address; write one such as asha@example.com.",
        )
    return email


def create_user(
    connection: Connection, company_id: str, new: NewUser, actor: Actor, *, own: Role
) -> StoredUser:
    """Create a user.

    Args:
        connection: of the caller's transaction.
        company_id: where they will work.
        new: who.
        actor: who lets them in.
        own: the actor's role; nobody gives one above it.

    Raises:
        ServiceRefused: `role_above_own`, `email_invalid`, `email_taken`, `name_invalid`, and those
            of `check_login_agent`.
    """
    _require_assignable(own, new.role)
    check_login_agent(connection, company_id, new.role, new.agent_id)
    user = StoredUser(
        id=new_identifier(),
        email=read_email(new.email),
        name=read_name(new.name, "name"),
        role=new.role,
        enabled=True,
        created_at=actor.at,
    )
    row = attrs.asdict(user) | {"company_id": company_id, "password": new.password}
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(users).values(**row | {"role": user.role.value}))
    except sa.exc.IntegrityError:
        raise ServiceRefused(
            AccessCode.EMAIL_TAKEN,
            f"{user.email!r} is a user already; an address can log in to one company only.",
        ) from None
    bind_login(connection, company_id, new.agent_id, actor.at, user_id=user.id)
    noted = _shown(user) | ({"agent_id": new.agent_id} if new.agent_id else {})
    _audit(connection, company_id, actor, "user.created", user, before={}, after=noted)
    return user


def change_user(  # noqa: PLR0913 - where, whose, who, what, by whom
    connection: Connection,
    company_id: str,
    user_id: str,
    change: UserChange,
    actor: Actor,
    *,
    own: Role,
) -> StoredUser:
    """Change a user; whoever is disabled, or gets another password, is logged out everywhere.

    Args:
        connection: of the caller's transaction.
        company_id: the actor's company.
        user_id: who is changed.
        change: what becomes of them.
        actor: who changes them.
        own: the actor's role; it must include both the user's role and the new one.

    Raises:
        ServiceRefused: `unknown_user`, `role_above_own`, `last_owner`, `name_invalid`,
            `agent_required`, `agent_forbidden`.
    """
    owners = _lock_owners(connection, company_id)
    before = find_user(connection, company_id, user_id)
    after = attrs.evolve(
        before,
        name=before.name if change.name is None else read_name(change.name, "name"),
        role=change.role or before.role,
        enabled=before.enabled if change.enabled is None else change.enabled,
    )
    _require_assignable(own, before.role)
    _require_assignable(own, after.role)
    require_same_kind(before.role, after.role)
    _require_another_owner(owners, before, after)
    values: dict[str, object] = {
        "name": after.name,
        "role": after.role.value,
        "enabled": after.enabled,
    }
    if change.password is not None:
        values["password"] = change.password
    connection.execute(sa.update(users).where(users.c.id == user_id).values(**values))
    if change.password is not None or not after.enabled:
        end_sessions(connection, user_id, actor.at)
    noted = _shown(after) | ({"password": "changed"} if change.password is not None else {})
    _audit(connection, company_id, actor, "user.changed", after, before=_shown(before), after=noted)
    return after


def end_sessions(connection: Connection, user_id: str, now: datetime) -> None:
    """Log somebody out everywhere; a code for a new password works no longer either."""
    s = sessions.c
    connection.execute(sa.delete(password_resets).where(password_resets.c.user_id == user_id))
    connection.execute(
        sa.update(sessions).where(s.user_id == user_id, s.ended_at.is_(None)).values(ended_at=now)
    )


def find_user(connection: Connection, company_id: str, user_id: str) -> StoredUser:
    """Return a company's user.

    Raises:
        ServiceRefused: `unknown_user`.
    """
    u = users.c
    query = _select().where(u.company_id == company_id, u.id == user_id)
    row = connection.execute(query).first()
    if row is None:
        raise ServiceRefused(
            AccessCode.UNKNOWN_USER, f"The company has no user with id {user_id[:64]!r}."
        )
    return _stored(row)


def list_users(
    connection: Connection, company_id: str, *, limit: int, after: str | None
) -> Sequence[StoredUser]:
    """Return a company's users, newest first, those before `after`."""
    u = users.c
    query = _select().where(u.company_id == company_id).order_by(u.id.desc()).limit(limit)
    if after is not None:
        query = query.where(u.id < after)
    return [_stored(row) for row in connection.execute(query)]


def _select() -> sa.Select[str, str, str, str, bool, datetime]:
    u = users.c
    return sa.select(u.id, u.email, u.name, u.role, u.enabled, u.created_at)


def _stored(row: Row[str, str, str, str, bool, datetime]) -> StoredUser:
    return StoredUser(
        id=row.id,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        enabled=row.enabled,
        created_at=row.created_at,
    )


def _require_assignable(own: Role, role: Role) -> None:
    if not may_assign(own, role):
        raise ServiceRefused(
            AccessCode.ROLE_ABOVE_OWN,
            f"Role {own.value} may not give, change or take away role {role.value}.",
        )


def _lock_owners(connection: Connection, company_id: str) -> set[str]:
    """Lock the enabled owners, so that two who leave at the same moment see each other."""
    u = users.c
    query = (
        sa.select(u.id)
        .where(u.company_id == company_id, u.role == Role.OWNER.value, u.enabled)
        .order_by(u.id)
        .with_for_update()
    )
    return set(connection.scalars(query))


def _require_another_owner(owners: set[str], before: StoredUser, after: StoredUser) -> None:
    stays = after.role is Role.OWNER and after.enabled
    if not stays and owners == {before.id}:
        raise ServiceRefused(
            AccessCode.LAST_OWNER,
            f"{before.email!r} is the company's last owner; make somebody else owner first.",
        )


def _shown(user: StoredUser) -> dict[str, object]:
    return {"name": user.name, "role": user.role.value, "enabled": user.enabled}


def _audit(  # noqa: PLR0913 - one column each
    connection: Connection,
    company_id: str,
    actor: Actor,
    action: str,
    user: StoredUser,
    *,
    before: dict[str, object],
    after: dict[str, object],
) -> None:
    write_audit(
        connection,
        actor,
        company_id=company_id,
        action=action,
        subject=user.email,
        before=before,
        after=after,
    )
