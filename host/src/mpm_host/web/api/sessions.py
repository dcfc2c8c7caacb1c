"""`/sessions`, `/elevations`, `/me` and `/protected-password`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta
from sqlalchemy.engine import Connection

from mpm_host.access.login import (
    change_own_password,
    elevate,
    log_in,
    log_out,
    set_protected_password,
)
from mpm_host.access.passwords import check_password, hash_password
from mpm_host.access.roles import PERMISSIONS, Permission, Role
from mpm_host.web.api.operation import Call, Method, Operation
from mpm_host.web.api.values import Body, Secret, View

__all__ = ["OPERATIONS"]


class LogIn(Body, frozen=True, kw_only=True):
    """A person's address and password."""

    email: Annotated[str, Meta(min_length=1, max_length=200)]
    password: Secret


class Session(View, frozen=True, kw_only=True):
    """A session; `bearer` is what to send from now on, and is shown only here."""

    bearer: str
    expires_at: datetime
    user_id: str


class Elevate(Body, frozen=True, kw_only=True):
    """The password of the protected pages."""

    password: Secret


class Elevation(View, frozen=True, kw_only=True):
    """Until when protected data can be read."""

    elevated_until: datetime


class NewOwnPassword(Body, frozen=True, kw_only=True):
    """The present password and the one to come."""

    former: Secret
    password: Secret


class NewProtectedPassword(Body, frozen=True, kw_only=True):
    """The protected pages' password to come."""

    password: Secret


class Me(View, frozen=True, kw_only=True):
    """Who asks, and what they may do."""

    company: str
    company_name: str
    currency: str
    country: str
    timezone: str
    name: str
    role: Role
    permissions: list[Permission]
    user_id: str | None
    elevated_until: datetime | None


def _log_in(call: Call) -> Session:
    given, host = call.body_as(LogIn), call.context.host
    session = log_in(
        host.engines.write, host.house.directory, given.email, given.password, call.now
    )
    return Session(
        bearer=session.bearer.reveal(), expires_at=session.expires_at, user_id=session.user_id
    )


def _log_out(call: Call, connection: Connection) -> None:
    log_out(connection, call.principal, call.now)


def _elevate(call: Call) -> Elevation:
    password = call.body_as(Elevate).password
    until = elevate(call.context.host.engines.write, call.principal, password, call.now)
    return Elevation(elevated_until=until)


def _me(call: Call, _connection: Connection) -> Me:
    principal, company = call.principal, call.company.company
    return Me(
        company=company.slug,
        company_name=company.name,
        currency=company.currency,
        country=company.country,
        timezone=company.timezone,
        name=principal.name,
        role=principal.role,
        permissions=sorted(PERMISSIONS[principal.role]),
        user_id=principal.user_id,
        elevated_until=principal.elevated_until if principal.is_elevated(call.now) else None,
    )


def _change_own_password(call: Call) -> None:
    given, engine = call.body_as(NewOwnPassword), call.context.host.engines.write
    change_own_password(engine, call.principal, given.former, given.password, call.now)


def _hash_protected(call: Call) -> str:
    return hash_password(check_password(call.body_as(NewProtectedPassword).password))


def _set_protected(call: Call, connection: Connection) -> None:
    set_protected_password(connection, call.company.id, call.prepared_as(str), call.actor)


OPERATIONS = (
    Operation(
        method=Method.POST,
        path="/sessions",
        name="log_in",
        tag="access",
        summary="Begin a person's session.",
        details="The bearer works for 12 hours, and no longer than 2 hours without being used.",
        public=True,
        body=LogIn,
        answer=Session,
        status=201,
        act=_log_in,
    ),
    Operation(
        method=Method.DELETE,
        path="/sessions/current",
        name="log_out",
        tag="access",
        summary="End the session that asks.",
        status=204,
        change=_log_out,
    ),
    Operation(
        method=Method.POST,
        path="/elevations",
        name="elevate",
        tag="access",
        summary="Open protected data for 15 minutes.",
        body=Elevate,
        answer=Elevation,
        status=201,
        act=_elevate,
    ),
    Operation(
        method=Method.GET,
        path="/me",
        name="show_me",
        tag="access",
        summary="Show who asks and what they may do.",
        answer=Me,
        read=_me,
    ),
    Operation(
        method=Method.PUT,
        path="/me/password",
        name="change_own_password",
        tag="access",
        summary="Change one's own password; ends all of one's sessions.",
        body=NewOwnPassword,
        status=204,
        act=_change_own_password,
    ),
    Operation(
        method=Method.PUT,
        path="/protected-password",
        name="set_protected_password",
        tag="access",
        summary="Set the protected pages' password; ends all elevations.",
        permission=Permission.PROTECTED_PASSWORD_WRITE,
        body=NewProtectedPassword,
        status=204,
        prepare=_hash_protected,
        change=_set_protected,
    ),
)
