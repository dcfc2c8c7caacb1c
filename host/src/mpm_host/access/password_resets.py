"""Codes for a new password: somebody who may manage the user makes one, the user redeems it.

This host sends no mail, so nobody can ask for a code by themselves: whoever forgot their password
asks an owner or admin, who passes the code on. It works once, for half an hour, and only its digest
is stored. Whoever redeems learns nothing about who is a user: an unknown address, a wrong, an old
and a used code are one refusal, take the same time and are counted alike.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from mpm_core import Secret
from mpm_host.access.access_refusals import AccessCode
from mpm_host.access.password_limits import begin_try, forget_tries
from mpm_host.access.passwords import check_password, hash_password
from mpm_host.access.roles import Role, may_assign
from mpm_host.access.user_store import end_sessions, find_user
from mpm_host.companies.audit_trail import Actor, write_audit
from mpm_host.database.access_tables import password_resets, users
from mpm_host.directory import Directory
from mpm_host.refusals import ServiceRefused

__all__ = ["LIFETIME", "NewResetCode", "make_reset_code", "redeem_reset_code"]

LIFETIME = timedelta(minutes=30)
_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # 32, without those that look like digits
_GROUPS, _GROUP_LENGTH = 4, 4  # 80 bits, written as XXXX-XXXX-XXXX-XXXX
_R, _U = password_resets.c, users.c
_NOBODYS_DIGEST = hashlib.sha256(b"nobody's code").hexdigest()


@attrs.frozen(kw_only=True)
class NewResetCode:
    """A code that was just made.

    Attributes:
        code: to be passed on; not to be had again.
        email: whose it is.
    """

    code: Secret
    email: str
    expires_at: datetime


def make_reset_code(
    connection: Connection, company_id: str, user_id: str, actor: Actor, *, own: Role
) -> NewResetCode:
    """Make a code for a user, in the place of any former one.

    Their password and sessions stay as they are until it is redeemed.

    Args:
        connection: of the caller's transaction.
        company_id: the actor's company.
        user_id: who shall choose another password.
        actor: who makes it.
        own: the actor's role; nobody makes one for a role above it.

    Raises:
        ServiceRefused: `unknown_user`, `role_above_own`, `user_disabled`.
    """
    user = find_user(connection, company_id, user_id)
    if not may_assign(own, user.role):
        raise ServiceRefused(
            AccessCode.ROLE_ABOVE_OWN,
            f"Role {own.value} may not reset the password of role {user.role.value}.",
        )
    if not user.enabled:
        raise ServiceRefused(
            AccessCode.USER_DISABLED,
            f"{user.email!r} is disabled and cannot log in; enable them first.",
        )
    made = NewResetCode(code=_new_code(), email=user.email, expires_at=actor.at + LIFETIME)
    _store(connection, company_id, user_id, made, actor.at)
    _audit(connection, company_id, actor, "password_reset.created", user.email)
    return made


def redeem_reset_code(  # noqa: PLR0913, PLR0917 - who, with what, where, when
    engine: Engine, directory: Directory, email: str, code: Secret, password: Secret, now: datetime
) -> None:
    """Give a user another password and log them out everywhere.

    Raises:
        ServiceRefused: `password_invalid` for what nobody may choose, else `reset_code_wrong`.
        TooManyAttempts: there were too many wrong ones for the address.
    """
    email = email.strip().casefold()
    check_password(password, email=email)
    subject = f"reset password {email}"
    begin_try(engine, subject, now)
    hashed = hash_password(password)  # also for nobody, so that it takes as long
    with engine.begin() as connection:
        _redeem(connection, directory, email, code, hashed, now)
    for done in (subject, f"log in {email}"):
        forget_tries(engine, done)


def _redeem(  # noqa: PLR0913, PLR0917 - as above
    connection: Connection,
    directory: Directory,
    email: str,
    code: Secret,
    hashed: str,
    now: datetime,
) -> None:
    query = (
        sa.select(_U.id, _U.company_id, _U.enabled, _R.digest, _R.expires_at)
        .join(password_resets, _R.user_id == _U.id)
        .where(_U.email == email)
        .with_for_update(of=password_resets)
    )
    # PostgreSQL cannot even ask for a text with NUL.
    found = None if "\x00" in email else connection.execute(query).first()
    is_right = hmac.compare_digest(found.digest if found else _NOBODYS_DIGEST, _digest(code))
    company = directory.companies.get(found.company_id) if found else None
    may_enter = found is not None and found.enabled and company is not None and company.enabled
    if found is None or not is_right or not may_enter or now >= found.expires_at:
        raise ServiceRefused(
            AccessCode.RESET_CODE_WRONG,
            "E-mail address and code do not belong together, or the code is used or older than "
            "30 minutes; ask an owner or admin of your company for another one.",
        )
    connection.execute(sa.update(users).where(_U.id == found.id).values(password=hashed))
    end_sessions(connection, found.id, now)
    actor = Actor(name=email, at=now, reason="reset code")
    _audit(connection, found.company_id, actor, "user.password_changed", email)


def _new_code() -> Secret:
    letters = [secrets.choice(_LETTERS) for _ in range(_GROUPS * _GROUP_LENGTH)]
    groups = ["".join(letters[at : at + _GROUP_LENGTH]) for at in range(0, len(letters), 4)]
    return Secret("-".join(groups))


def _digest(code: Secret) -> str:
    """Return what is stored; blanks, hyphens and small letters are people's own way of writing."""
    plain = "".join(letter for letter in code.reveal().upper() if letter in _LETTERS)
    return hashlib.sha256(plain.encode()).hexdigest()


def _store(
    connection: Connection, company_id: str, user_id: str, made: NewResetCode, now: datetime
) -> None:
    """Keep the latest code only."""
    connection.execute(sa.delete(password_resets).where(_R.user_id == user_id))
    connection.execute(
        sa.insert(password_resets).values(
            user_id=user_id,
            company_id=company_id,
            digest=_digest(made.code),
            created_at=now,
            expires_at=made.expires_at,
        )
    )


def _audit(connection: Connection, company_id: str, actor: Actor, action: str, email: str) -> None:
    write_audit(
        connection, actor, company_id=company_id, action=action, subject=email, before={}, after={}
    )
