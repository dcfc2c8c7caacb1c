"""API keys of a company: shown once when they are made, stored as digests, revocable."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from mpm_core import Secret
from mpm_host.access.access_refusals import AccessCode
from mpm_host.access.agent_logins import bind_login, check_login_agent
from mpm_host.access.bearers import BearerKind, digest_of, new_bearer
from mpm_host.access.roles import Role, may_assign
from mpm_host.companies.audit_trail import Actor, write_audit
from mpm_host.database.access_tables import api_keys
from mpm_host.identifiers import new_identifier
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.inputs import read_name

__all__ = ["NewKey", "StoredKey", "create_key", "find_key", "list_keys", "revoke_key"]


@attrs.frozen(kw_only=True)
class StoredKey:
    """An API key as its company sees it later."""

    id: str
    name: str
    role: Role
    created_at: datetime
    created_by: str
    revoked_at: datetime | None


@attrs.frozen(kw_only=True)
class NewKey:
    """A key that was just made.

    Attributes:
        bearer: what callers send; not to be had again.
    """

    stored: StoredKey
    bearer: Secret


def create_key(  # noqa: PLR0913 - where, whose, what, by whom
    connection: Connection,
    company_id: str,
    name: str,
    role: Role,
    actor: Actor,
    *,
    own: Role,
    agent_id: str | None = None,
) -> NewKey:
    """Create an API key.

    Args:
        connection: of the caller's transaction.
        company_id: whose data it opens.
        name: what it is for; unique in the company, also among revoked ones.
        role: what it may do.
        actor: who makes it.
        own: the actor's role; nobody makes a key above it.
        agent_id: whom it acts for: required for role agent, forbidden for others.

    Raises:
        ServiceRefused: `role_above_own`, `name_invalid`, `name_taken`, and those of
            `check_login_agent`.
    """
    _require_assignable(own, role)
    check_login_agent(connection, company_id, role, agent_id)
    bearer = new_bearer(BearerKind.API_KEY)
    stored = StoredKey(
        id=new_identifier(),
        name=read_name(name, "name"),
        role=role,
        created_at=actor.at,
        created_by=actor.name,
        revoked_at=None,
    )
    row = attrs.asdict(stored) | {"company_id": company_id, "digest": digest_of(bearer)}
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(api_keys).values(**row | {"role": role.value}))
    except sa.exc.IntegrityError:
        raise ServiceRefused(
            RefusalCode.NAME_TAKEN,
            f"The company has, or had, an API key {stored.name!r}; choose another name.",
        ) from None
    bind_login(connection, company_id, agent_id, actor.at, api_key_id=stored.id)
    _audit(connection, company_id, actor, "api_key.created", stored)
    return NewKey(stored=stored, bearer=bearer)


def revoke_key(
    connection: Connection, company_id: str, key_id: str, actor: Actor, *, own: Role
) -> StoredKey:
    """Stop a key for good, at once; revoking it again changes nothing.

    Raises:
        ServiceRefused: `unknown_api_key`, `role_above_own`.
    """
    stored = find_key(connection, company_id, key_id)
    _require_assignable(own, stored.role)
    if stored.revoked_at is not None:
        return stored
    revoked = attrs.evolve(stored, revoked_at=actor.at)
    connection.execute(
        sa.update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=actor.at)
    )
    _audit(connection, company_id, actor, "api_key.revoked", revoked)
    return revoked


def find_key(connection: Connection, company_id: str, key_id: str) -> StoredKey:
    """Return a company's key.

    Raises:
        ServiceRefused: `unknown_api_key`.
    """
    k = api_keys.c
    row = connection.execute(_select().where(k.company_id == company_id, k.id == key_id)).first()
    if row is None:
        raise ServiceRefused(
            AccessCode.UNKNOWN_API_KEY, f"The company has no API key with id {key_id[:64]!r}."
        )
    return _stored(row)


def list_keys(
    connection: Connection, company_id: str, *, limit: int, after: str | None
) -> Sequence[StoredKey]:
    """Return a company's keys, newest first, those before `after`; revoked ones too."""
    k = api_keys.c
    query = _select().where(k.company_id == company_id).order_by(k.id.desc()).limit(limit)
    if after is not None:
        query = query.where(k.id < after)
    return [_stored(row) for row in connection.execute(query)]


def _select() -> sa.Select[str, str, str, datetime, str, datetime | None]:
    k = api_keys.c
    return sa.select(k.id, k.name, k.role, k.created_at, k.created_by, k.revoked_at)


def _stored(row: Row[str, str, str, datetime, str, datetime | None]) -> StoredKey:
    return StoredKey(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        created_at=row.created_at,
        created_by=row.created_by,
        revoked_at=row.revoked_at,
    )


def _require_assignable(own: Role, role: Role) -> None:
    if not may_assign(own, role):
        raise ServiceRefused(
            AccessCode.ROLE_ABOVE_OWN,
            f"Role {own.value} may not make or revoke API keys of role {role.value}.",
        )


def _audit(
    connection: Connection, company_id: str, actor: Actor, action: str, key: StoredKey
) -> None:
    write_audit(
        connection,
        actor,
        company_id=company_id,
        action=action,
        subject=key.name,
        before={},
        after={"role": key.role.value, "id": key.id},
    )
