"""Logging in and out, changing one's own password, and the protected-pages password."""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, Row

from mpm_core import Secret
from mpm_host.access.access_refusals import AccessCode
from mpm_host.access.authentication import ABSOLUTE
from mpm_host.access.bearers import BearerKind, digest_of, new_bearer
from mpm_host.access.password_limits import begin_try, forget_tries
from mpm_host.access.passwords import check_password, hash_password, matches, needs_new_hash
from mpm_host.access.principal import Principal
from mpm_host.access.user_store import end_sessions
from mpm_host.companies.audit_trail import Actor, write_audit
from mpm_host.database.access_tables import api_keys, protected_passwords, sessions, users
from mpm_host.directory import Directory
from mpm_host.identifiers import new_identifier
from mpm_host.refusals import ServiceRefused

__all__ = [
    "ELEVATION",
    "NewSession",
    "change_own_password",
    "elevate",
    "has_protected_password",
    "log_in",
    "log_out",
    "set_protected_password",
]

ELEVATION = timedelta(minutes=15)


@attrs.frozen(kw_only=True)
class NewSession:
    """A session that was just begun.

    Attributes:
        bearer: what the person's program sends; not to be had again.
    """

    bearer: Secret
    expires_at: datetime
    user_id: str


def log_in(
    engine: Engine, directory: Directory, email: str, password: Secret, now: datetime
) -> NewSession:
    """Begin a session; takes as long for an unknown address as for a known one.

    Raises:
        ServiceRefused: `wrong_password`, for whatever reason it is not let in.
        TooManyAttempts: there were too many wrong ones.
    """
    email = email.strip().casefold()
    subject = f"log in {email}"
    begin_try(engine, subject, now)
    user = _find_by_email(engine, email)
    is_right = matches(user.password if user else None, password)
    if user is None or not is_right or not _may_enter(user, directory):
        raise ServiceRefused(
            AccessCode.WRONG_PASSWORD, "E-mail address and password do not belong together."
        )
    forget_tries(engine, subject)
    fresh = hash_password(password) if needs_new_hash(user.password) else None
    session = NewSession(
        bearer=new_bearer(BearerKind.SESSION), expires_at=now + ABSOLUTE, user_id=user.id
    )
    with engine.begin() as connection:
        if fresh is not None:
            _store_password(connection, user.id, fresh)
        _insert_session(connection, user.company_id, session, now)
        _audit(connection, user.company_id, Actor(name=email, at=now), "session.begun", email)
    return session


def log_out(connection: Connection, principal: Principal, now: datetime) -> None:
    """End the session that asks; an API key is revoked elsewhere and stays."""
    if principal.kind is BearerKind.SESSION:
        connection.execute(
            sa.update(sessions).where(sessions.c.id == principal.id).values(ended_at=now)
        )
        actor = principal.actor(now)
        _audit(connection, principal.company.id, actor, "session.ended", principal.name)


def change_own_password(
    engine: Engine, principal: Principal, former: Secret, new: Secret, now: datetime
) -> None:
    """Give a person another password and log them out everywhere.

    Raises:
        ServiceRefused: `forbidden` for API keys, `wrong_password`, `password_invalid`.
        TooManyAttempts: there were too many wrong ones.
    """
    if principal.user_id is None:
        raise ServiceRefused(AccessCode.FORBIDDEN, "An API key has no password.")
    subject = f"own password {principal.user_id}"
    begin_try(engine, subject, now)
    user = _find_by_email(engine, principal.name)
    if not matches(user.password if user else None, former):
        raise ServiceRefused(AccessCode.WRONG_PASSWORD, "The present password is another.")
    forget_tries(engine, subject)
    hashed = hash_password(check_password(new, email=principal.name))
    with engine.begin() as connection:
        _store_password(connection, principal.user_id, hashed)
        end_sessions(connection, principal.user_id, now)
        actor = principal.actor(now)
        _audit(connection, principal.company.id, actor, "user.password_changed", principal.name)


def elevate(engine: Engine, principal: Principal, password: Secret, now: datetime) -> datetime:
    """Let a principal see protected data for a while, and return until when.

    Raises:
        ServiceRefused: `wrong_password`, `protected_password_missing`.
        TooManyAttempts: there were too many wrong ones.
    """
    subject = f"elevate {principal.company.id} {principal.name}"
    begin_try(engine, subject, now)
    stored = _protected_password(engine, principal.company.id)
    if stored is None:
        raise ServiceRefused(
            AccessCode.PROTECTED_PASSWORD_MISSING,
            "The company has no protected-pages password yet; its owner sets one with "
            "PUT /protected-password.",
        )
    if not matches(stored, password):
        raise ServiceRefused(
            AccessCode.WRONG_PASSWORD, "This is not the company's protected-pages password."
        )
    forget_tries(engine, subject)
    table = sessions if principal.kind is BearerKind.SESSION else api_keys
    until = now + ELEVATION
    with engine.begin() as connection:
        connection.execute(
            sa.update(table).where(table.c.id == principal.id).values(elevated_until=until)
        )
        actor = principal.actor(now)
        _audit(connection, principal.company.id, actor, "elevation.begun", principal.name)
    return until


def has_protected_password(connection: Connection, company_id: str) -> bool:
    """Tell whether a company has set its protected-pages password."""
    p = protected_passwords.c
    query = sa.select(p.company_id).where(p.company_id == company_id)
    return connection.execute(query).first() is not None


def set_protected_password(
    connection: Connection, company_id: str, hashed: str, actor: Actor
) -> None:
    """Set or replace a company's protected-pages password; elevations of the old one end."""
    p = protected_passwords.c
    values = {"password": hashed, "changed_at": actor.at}
    changed = connection.execute(
        sa.update(protected_passwords).where(p.company_id == company_id).values(**values)
    )
    if not changed.rowcount:
        connection.execute(sa.insert(protected_passwords).values(company_id=company_id, **values))
    for table in (sessions, api_keys):
        connection.execute(
            sa.update(table).where(table.c.company_id == company_id).values(elevated_until=None)
        )
    _audit(connection, company_id, actor, "protected_password.changed", "protected pages")


def _find_by_email(engine: Engine, email: str) -> Row[str, str, str, bool] | None:
    u = users.c
    query = sa.select(u.id, u.company_id, u.password, u.enabled).where(u.email == email)
    if "\x00" in email:  # PostgreSQL cannot even ask for it
        return None
    with engine.connect() as connection:
        return connection.execute(query).first()


def _may_enter(user: Row[str, str, str, bool], directory: Directory) -> bool:
    company = directory.companies.get(user.company_id)
    return bool(user.enabled and company is not None and company.enabled)


def _store_password(connection: Connection, user_id: str, hashed: str) -> None:
    connection.execute(sa.update(users).where(users.c.id == user_id).values(password=hashed))


def _insert_session(
    connection: Connection, company_id: str, session: NewSession, now: datetime
) -> None:
    connection.execute(
        sa.insert(sessions).values(
            id=new_identifier(),
            company_id=company_id,
            user_id=session.user_id,
            digest=digest_of(session.bearer),
            created_at=now,
            seen_at=now,
            expires_at=session.expires_at,
        )
    )


def _protected_password(engine: Engine, company_id: str) -> str | None:
    p = protected_passwords.c
    query = sa.select(p.password).where(p.company_id == company_id)
    with engine.connect() as connection:
        return connection.execute(query).scalar_one_or_none()


def _audit(
    connection: Connection, company_id: str, actor: Actor, action: str, subject: str
) -> None:
    write_audit(
        connection,
        actor,
        company_id=company_id,
        action=action,
        subject=subject,
        before={},
        after={},
    )
