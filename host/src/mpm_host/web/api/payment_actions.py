"""`POST /payments/{id}/…`: what people decide about payments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta
from sqlalchemy.engine import Connection

from mpm_core import Secret
from mpm_host.access.access_refusals import AccessCode
from mpm_host.access.bearers import BearerKind
from mpm_host.access.roles import Permission
from mpm_host.actions.payment_actions import PaymentActions
from mpm_host.companies.audit_trail import REASON_LENGTH, Actor
from mpm_host.refusals import ServiceRefused
from mpm_host.web.api.operation import Call, Method, Operation
from mpm_host.web.api.payments import Payment, shown_payment
from mpm_host.web.api.problems import ApiCode, ProblemError
from mpm_host.web.api.values import Body

__all__ = ["OPERATIONS"]

_Reason = Annotated[
    str, Meta(min_length=1, max_length=REASON_LENGTH, description="Kept with the payment for ever.")
]
_Verb = Callable[[PaymentActions, Connection, Call, Actor], bool]


class ActionBody(Body, frozen=True, kw_only=True):
    """Why it is done."""

    reason: _Reason


class ResolveBody(ActionBody, frozen=True, kw_only=True):
    """What became of the token: the codes that exist, `delivered`, or `not_minted`."""

    codes: (
        Annotated[
            list[Secret],
            Meta(min_length=1, max_length=10, description="In the order to enter them."),
        ]
        | None
    ) = None
    delivered: Annotated[
        bool, Meta(description="The manufacturer credited the device itself, with all of it.")
    ] = False
    not_minted: bool = False


class MatchBody(ActionBody, frozen=True, kw_only=True):
    """Which device the money was meant for."""

    serial: Annotated[str, Meta(min_length=1, max_length=128)]


def _retry(to: PaymentActions, connection: Connection, call: Call, actor: Actor) -> bool:
    return to.retry(connection, call.path["id"], actor, company_id=call.company.id)


def _release(to: PaymentActions, connection: Connection, call: Call, actor: Actor) -> bool:
    return to.release(connection, call.path["id"], actor, company_id=call.company.id)


def _resolve(to: PaymentActions, connection: Connection, call: Call, actor: Actor) -> bool:
    payment_id, company_id = call.path["id"], call.company.id
    body = call.body_as(ResolveBody)
    if [body.codes is not None, body.delivered, body.not_minted].count(True) != 1:
        raise ProblemError(
            code=ApiCode.BODY_INVALID,
            detail="Give one of codes, delivered and not_minted.",
            pointer="/codes",
        )
    if body.not_minted:
        _require_person(call)
        return to.resolve_not_minted(connection, payment_id, actor, company_id=company_id)
    if body.codes is None:
        return to.resolve_delivered(connection, payment_id, actor, company_id=company_id)
    return to.resolve_with_token(connection, payment_id, body.codes, actor, company_id=company_id)


def _match(to: PaymentActions, connection: Connection, call: Call, actor: Actor) -> bool:
    serial = call.body_as(MatchBody).serial
    return to.match(connection, call.path["id"], serial, actor, company_id=call.company.id)


def _resend(to: PaymentActions, connection: Connection, call: Call, actor: Actor) -> bool:
    return to.resend(connection, call.path["id"], actor, company_id=call.company.id)


def _reverse(to: PaymentActions, connection: Connection, call: Call, actor: Actor) -> bool:
    return to.reverse(connection, call.path["id"], actor, company_id=call.company.id)


def _reissue(to: PaymentActions, connection: Connection, call: Call, actor: Actor) -> bool:
    _require_person(call)
    return to.reissue(connection, call.path["id"], actor, company_id=call.company.id)


def _approve(to: PaymentActions, connection: Connection, call: Call, actor: Actor) -> bool:
    _require_person(call)
    return to.approve(connection, call.path["id"], actor, company_id=call.company.id)


def _require_person(call: Call) -> None:
    """Let only people propose and approve second tokens: a key is not somebody.

    Raises:
        ServiceRefused: `forbidden`, or the payment is not there for the key either.
    """
    if call.principal.kind is not BearerKind.SESSION:
        raise ServiceRefused(
            AccessCode.FORBIDDEN,
            "Two people must agree on this; log in as a person, API keys cannot do it.",
        )


def _changing(verb: _Verb) -> Callable[[Call, Connection], Payment]:
    def change(call: Call, connection: Connection) -> Payment:
        before = shown_payment(call, connection)  # first: what is not there cannot be forbidden
        body = call.body
        reason = body.reason if isinstance(body, ActionBody) else ""
        actor = call.principal.actor(call.now, reason)
        done = verb(call.context.services.actions, connection, call, actor)
        return shown_payment(call, connection) if done else before

    return change


def _wake(call: Call) -> None:
    call.context.services.wake()


def _operation(  # noqa: PLR0913 - what differs between the verbs
    path: str,
    verb: _Verb,
    summary: str,
    *,
    details: str = "",
    body: type = ActionBody,
    permission: Permission = Permission.PAYMENTS_ACT,
) -> Operation:
    return Operation(
        method=Method.POST,
        path=f"/payments/{{id}}/{path}",
        name=f"{path.replace('-', '_')}_payment",
        tag="payments",
        summary=summary,
        details=details,
        permission=permission,
        body=body,
        answer=Payment,
        change=_changing(verb),
        after=_wake,
    )


_TWO_PEOPLE = "Somebody else must approve it. For people only, not for API keys."

OPERATIONS = (
    _operation("retry", _retry, "Mint a held payment's token again, from its reserved value."),
    _operation("release", _release, "Turn a held payment's reserved value into credit."),
    _operation(
        "resolve",
        _resolve,
        "Say what became of an unknown payment's token.",
        details="`codes` are issued and sent at once. `not_minted` says that surely none exist; "
        "somebody else must approve that, and only people may say it.",
        body=ResolveBody,
    ),
    _operation(
        "match",
        _match,
        "Allocate an unmatched payment to the owner of a device.",
        body=MatchBody,
    ),
    _operation(
        "resend-message",
        _resend,
        "Send the customer the payment's message again.",
        details="The same text with the same codes; while one still waits, nothing happens.",
        permission=Permission.MESSAGES_RESEND,
    ),
    _operation(
        "reverse",
        _reverse,
        "Take a payment back.",
        details="Debts reopen, delivered energy stays sold and becomes negative credit. While a "
        "manufacturer may be working on it, the payment is `reversing`.",
    ),
    _operation("reissue", _reissue, "Propose a second token.", details=_TWO_PEOPLE),
    _operation(
        "approve",
        _approve,
        "Approve what somebody else proposed.",
        details="See `proposal` of the payment. For people only, not for API keys.",
        permission=Permission.PAYMENTS_APPROVE,
    ),
)
