"""`/users/{id}/password-reset` and `/password-resets/confirm`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta
from sqlalchemy.engine import Connection

from mpm_host.access.password_resets import make_reset_code, redeem_reset_code
from mpm_host.access.roles import Permission
from mpm_host.web.api.operation import Call, Method, Operation
from mpm_host.web.api.values import Body, Secret, View

__all__ = ["OPERATIONS"]


class ResetCode(View, frozen=True, kw_only=True):
    """A code for a new password, shown only here; pass it on to the user yourself."""

    email: str
    code: str
    expires_at: datetime


class NewPassword(Body, frozen=True, kw_only=True):
    """A user's address, the code they were given, and the password they choose."""

    email: Annotated[str, Meta(min_length=1, max_length=200)]
    code: Secret
    password: Secret


def _make(call: Call, connection: Connection) -> ResetCode:
    made = make_reset_code(
        connection, call.company.id, call.path["id"], call.actor, own=call.principal.role
    )
    return ResetCode(email=made.email, code=made.code.reveal(), expires_at=made.expires_at)


def _confirm(call: Call) -> None:
    given, host = call.body_as(NewPassword), call.context.host
    redeem_reset_code(
        host.engines.write,
        host.house.directory,
        given.email,
        given.code,
        given.password,
        call.now,
    )


OPERATIONS = (
    Operation(
        method=Method.POST,
        path="/users/{id}/password-reset",
        name="make_password_reset",
        tag="access",
        summary="Make a code with which a user chooses another password.",
        details="It works once, for 30 minutes, and replaces any former one. This host sends no "
        "mail: pass it on yourself. Nobody makes one for a role above their own.",
        permission=Permission.USERS_WRITE,
        answer=ResetCode,
        status=201,
        change=_make,
    ),
    Operation(
        method=Method.POST,
        path="/password-resets/confirm",
        name="confirm_password_reset",
        tag="access",
        summary="Choose another password with a code; ends all of one's sessions.",
        details="An unknown address gets the same answer as a wrong code.",
        public=True,
        body=NewPassword,
        status=204,
        act=_confirm,
    ),
)
