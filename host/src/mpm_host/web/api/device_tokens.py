"""`/devices/{id}/tokens`: tokens that staff give past all debts."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from sqlalchemy.engine import Connection

from mpm_core.allocation.ad_hoc_units import AdHocUnit
from mpm_host.access.roles import Permission
from mpm_host.companies.audit_trail import REASON_LENGTH
from mpm_host.database import tables as t
from mpm_host.payments.token_desk import AdHocToken
from mpm_host.refusals import RefusalCode
from mpm_host.web.api.acting_agents import within_reach
from mpm_host.web.api.listing import find_row
from mpm_host.web.api.operation import Call, Method, Operation
from mpm_host.web.api.payments import Payment, shown_payment
from mpm_host.web.api.values import Body, View

__all__ = ["OPERATIONS"]

_Amount = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,13}(\.[0-9]{1,4})?\Z",
        max_length=18,
        description="Decimal text in the unit, never a number.",
        examples=["500", "7.25"],
    ),
]


class NewToken(Body, frozen=True, kw_only=True):
    """How much the device shall get: in money, in kWh (meters) or in days (others)."""

    amount: _Amount
    unit: AdHocUnit
    reason: Annotated[
        str,
        Meta(min_length=1, max_length=REASON_LENGTH, description="Kept with the payment for ever."),
    ]


class TokenUnit(View, frozen=True, kw_only=True):
    """Whether a token can be asked for in a unit; if not, `code` and `message` say why."""

    unit: AdHocUnit
    possible: bool
    code: str | None
    message: str | None


class TokenUnits(View, frozen=True, kw_only=True):
    """In which units a token of the device can be asked for."""

    units: list[TokenUnit]


def _give(call: Call, connection: Connection) -> Payment:
    given, serial = call.body_as(NewToken), _serial(call, connection)
    token = AdHocToken(serial=serial, amount=given.amount, unit=given.unit)
    by = call.principal.actor(call.now, given.reason)
    payment = call.context.services.tokens.give(connection, call.company, token, by)
    return shown_payment(call, connection, payment.id)


def _units(call: Call, connection: Connection) -> TokenUnits:
    serial, tokens = _serial(call, connection), call.context.services.tokens
    found = tokens.objections(connection, call.company, serial, call.actor)
    return TokenUnits(
        units=[
            TokenUnit(
                unit=unit,
                possible=objection is None,
                code=str(objection.code) if objection else None,
                message=objection.message if objection else None,
            )
            for unit, objection in found.items()
        ]
    )


def _serial(call: Call, connection: Connection) -> str:
    reach = within_reach(call, t.devices.c.customer_id)
    code = RefusalCode.UNKNOWN_DEVICE
    row = find_row(call, connection, t.devices, call.path["id"], code, reach)
    return str(row.serial)


def _wake(call: Call) -> None:
    call.context.services.wake()


OPERATIONS = (
    Operation(
        method=Method.GET,
        path="/devices/{id}/tokens",
        name="show_token_units",
        tag="devices",
        summary="Tell in which units an ad-hoc token can be asked for, and why not in others.",
        permission=Permission.DEVICES_READ,
        answer=TokenUnits,
        read=_units,
    ),
    Operation(
        method=Method.POST,
        path="/devices/{id}/tokens",
        name="give_token",
        tag="devices",
        summary="Give a device a token past all debts of its owner.",
        details="Answers a payment of channel `ad_hoc`: the money it is worth counts as received "
        "in cash, and the token comes as with every payment. Send an `Idempotency-Key`: without "
        "one, a repeated request is another token.",
        permission=Permission.TOKENS_CREATE,
        body=NewToken,
        answer=Payment,
        status=201,
        change=_give,
        after=_wake,
    ),
)
