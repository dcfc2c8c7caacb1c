"""`/pushes`: asking a payer's phone for a payment."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from mpm_host.access.roles import Permission
from mpm_host.refusals import ServiceRefused
from mpm_host.web.api.customers import Phone
from mpm_host.web.api.operation import Call, Method, Operation
from mpm_host.web.api.values import Amount, Body, View

__all__ = ["OPERATIONS"]

_NOT_SUPPORTED = "operation_not_supported"


class PushStatus(StrEnum):
    """What became of a push."""

    REQUESTED = "requested"
    UNKNOWN = "unknown"
    PAID = "paid"
    FAILED = "failed"


class NewPush(Body, frozen=True, kw_only=True):
    """Whom to ask for how much, for which device."""

    instance: Annotated[str, Meta(min_length=1, max_length=64)]
    serial: Annotated[str, Meta(min_length=1, max_length=64)]
    amount: Amount
    msisdn: Phone


class Push(View, frozen=True, kw_only=True):
    """A payer who was asked."""

    id: str
    status: PushStatus


def _push(call: Call) -> Push:
    given = call.body_as(NewPush)
    call.money(given.amount, "amount")
    slug = call.company.company.slug
    instance = call.context.host.companies.find_instance(slug, given.instance)
    raise ServiceRefused(
        _NOT_SUPPORTED,
        f"Instance {instance.name!r} runs {instance.plugin!r}, which cannot ask a payer's phone; "
        "let the customer begin the payment.",
    )


OPERATIONS = (
    Operation(
        method=Method.POST,
        path="/pushes",
        name="create_push",
        tag="payments",
        summary="Ask a payer's phone for a payment.",
        details="`operation_not_supported` until a plugin can do it.",
        permission=Permission.PAYMENTS_TAKE,
        body=NewPush,
        answer=Push,
        status=201,
        act=_push,
    ),
)
