"""What people can do where a second token is at stake: unknown outcomes, and reissues.

Whoever brings the token that exists decides alone. To say that none exists, or that another one is
needed, takes two people.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from mpm_core import ChargeKind, Delivery, Device, DeviceKind, Grant, PaymentStatus, Secret
from mpm_core.company_plugins.answer_checks import check_grant
from mpm_host.actions.action_basics import Action, ActionOn
from mpm_host.actions.action_refusals import ActionCode
from mpm_host.actions.proposals import (
    Proposal,
    ProposalKind,
    close_proposals,
    decide,
    open_proposal,
    propose,
)
from mpm_host.database import tables as t
from mpm_host.directory import Directory, InstanceRecord
from mpm_host.orders.order_changes import follow
from mpm_host.orders.order_rules import OrderFacts, OrderStatus, Step
from mpm_host.orders.order_steps import StepWriter, has_token, knows_codes
from mpm_host.orders.order_store import OrderPurpose, OrderRecord
from mpm_host.payments.payment_progress import refresh_payment
from mpm_host.refusals import RefusalCode, ServiceRefused

__all__ = [
    "approve",
    "propose_not_minted",
    "propose_reissue",
    "resolve_delivered",
    "resolve_with_token",
]

_IN_DOUBT = (OrderStatus.UNKNOWN, OrderStatus.PARKED)
_APPROVALS = {
    ProposalKind.REISSUE: Action.APPROVE_REISSUE,
    ProposalKind.NOT_MINTED: Action.APPROVE_NOT_MINTED,
}


def resolve_with_token(
    on: ActionOn, writer: StepWriter, directory: Directory, codes: Sequence[Secret]
) -> bool:
    """Issue a token that a person found out about; the customer gets it as usual.

    Args:
        on: the payment whose token it is.
        writer: of the order's step.
        directory: says what the manufacturer's codes look like.
        codes: as the person gave them, in the order to enter them.

    Returns:
        Whether anything was done; the same token again changes nothing.

    Raises:
        ServiceRefused: the outcome is not unknown, or this cannot be the token.
    """
    orders = on.take_orders()
    if any(has_token(on.connection, writer.vault, order, codes) for order in orders):
        return False
    order = _in_doubt(on, orders)
    grant = _grant(order, directory.instances.get(order.instance_id), codes)
    if knows_codes(on.connection, writer.vault, order, codes):
        raise ServiceRefused(
            ActionCode.TOKEN_KNOWN,
            f"Device {order.serial} was given this very token before; look for the one of payment "
            f"{on.payment.id}.",
        )
    _issue(on, writer, order, grant)
    return True


def resolve_delivered(on: ActionOn, writer: StepWriter, directory: Directory) -> bool:
    """Say that the manufacturer credited the device itself, with all of what was bought.

    Args:
        on: the payment of which that is known.
        writer: of the order's step.
        directory: says whether the manufacturer makes codes instead.

    Returns:
        Whether anything was done.

    Raises:
        ServiceRefused: the outcome is not unknown, or the manufacturer credits no devices.
    """
    if on.payment.status is not PaymentStatus.UNKNOWN and on.was_last(Action.RESOLVE):
        return False
    order = _in_doubt(on, on.take_orders())
    maker = directory.instances.get(order.instance_id)
    if maker is not None and maker.facts is not None and maker.facts.token_pattern is not None:
        raise ServiceRefused(
            ActionCode.TOKEN_INVALID,
            f"Plugin {maker.plugin} makes codes for the keypad; the customer needs the one that "
            "was made. Give the token instead.",
        )
    charge = order.charge
    grant = Grant(delivery=Delivery.REMOTE, quantity=charge.quantity, unit=charge.unit)
    _issue(on, writer, order, grant)
    return True


def _issue(on: ActionOn, writer: StepWriter, order: OrderRecord, grant: Grant) -> None:
    close_proposals(on.connection, on.payment.id, on.actor)
    step = Step(status=OrderStatus.ISSUED, facts=OrderFacts(), grant=grant)
    writer.write(on.connection, order, step, on.actor.at)
    on.note(Action.RESOLVE, {"order": order.id, "status": OrderStatus.ISSUED.value})


def propose_not_minted(on: ActionOn) -> bool:
    """Say that surely no token exists; somebody else must approve before one is made.

    Returns:
        Whether anything was done.

    Raises:
        ServiceRefused: the outcome is not unknown.
    """
    if on.payment.status is not PaymentStatus.UNKNOWN and on.was_last(Action.APPROVE_NOT_MINTED):
        return False
    order = _in_doubt(on, on.take_orders())
    return _propose(on, order, ProposalKind.NOT_MINTED, Action.PROPOSE_NOT_MINTED)


def propose_reissue(on: ActionOn) -> bool:
    """Ask for a second token of a settled payment; somebody else must approve.

    Returns:
        Whether anything was done.

    Raises:
        ServiceRefused: the payment is not settled, no token came of it, or its device is another
            customer's or sold anew since.
    """
    if on.payment.status is not PaymentStatus.SETTLED and on.was_last(Action.APPROVE_REISSUE):
        return False
    on.refuse_unless(PaymentStatus.SETTLED, ActionCode.PAYMENT_NOT_SETTLED, wanted="reissued")
    issued = on.orders_in(OrderStatus.ISSUED)
    own = [order for order in issued if order.device_id == on.payment.device_id]
    if not issued:
        raise ServiceRefused(
            ActionCode.NO_TOKEN, f"No token came of payment {on.payment.id}; none can be reissued."
        )
    order = (own or issued)[0]
    _refuse_moved(on, order)
    return _propose(on, order, ProposalKind.REISSUE, Action.PROPOSE_REISSUE)


def approve(on: ActionOn, writer: StepWriter) -> bool:
    """Approve what somebody else proposed, and do it.

    Returns:
        Whether anything was done.

    Raises:
        ServiceRefused: nothing is proposed, or by the same person, or the device of a reissue is
            another customer's or sold anew since.
    """
    orders = {order.id: order for order in on.take_orders()}
    proposal = open_proposal(on.connection, on.payment.id)
    if proposal is None:
        if on.was_last(*_APPROVALS.values()):
            return False
        raise ServiceRefused(
            ActionCode.NOTHING_TO_APPROVE,
            f"Nothing is proposed for payment {on.payment.id}; see its events.",
        )
    _refuse_same_person(on, proposal)
    decide(on.connection, proposal, on.actor)
    order = orders[proposal.order_id]
    if proposal.kind is ProposalKind.REISSUE:
        on.refuse_reversing("reissued")
        _refuse_moved(on, order)
        follow(on.connection, order, OrderPurpose.REISSUE, on.actor.at)
        refresh_payment(on.connection, on.payment.id, on.actor.at)
    else:
        step = Step(status=OrderStatus.QUEUED, facts=OrderFacts(), next_in=timedelta(0))
        writer.write(on.connection, order, step, on.actor.at)
    on.note(_APPROVALS[proposal.kind], {"order": order.id, "proposed_by": proposal.proposed_by})
    return True


def _refuse_moved(on: ActionOn, order: OrderRecord) -> None:
    """Refuse what would give a locked device's next owner, or sale, what the one before paid for.

    Raises:
        ServiceRefused: `device_moved`, `plan_open`.
    """
    d, o, p, r = t.devices.c, t.orders.c, t.plans.c, t.plan_rows.c
    is_theirs = sa.select(o.customer_id == d.customer_id).join(t.devices, d.id == o.device_id)
    if not on.connection.scalar(is_theirs.where(o.id == order.id)):
        raise ServiceRefused(
            ActionCode.DEVICE_MOVED,
            f"Device {order.serial} does not belong to the customer of payment {on.payment.id} any "
            "more; its owner would get what they paid for.",
        )
    owes = (
        sa.select(p.id)
        .join(t.plan_rows, r.plan_id == p.id)
        .join(t.orders, sa.and_(o.customer_id == p.customer_id, o.device_id == p.device_id))
        .where(o.id == order.id, p.live, r.remaining > 0)
    )
    if order.charge.kind is ChargeKind.UNLOCK and on.connection.execute(owes.limit(1)).first():
        raise ServiceRefused(
            RefusalCode.PLAN_OPEN,
            f"Device {order.serial} is not paid off: its customer owes something on a sale of it.",
        )


def _in_doubt(on: ActionOn, orders: Sequence[OrderRecord]) -> OrderRecord:
    """Return the order whose outcome is unknown; of several the oldest."""
    for order in orders:
        if order.status in _IN_DOUBT:
            return order
    raise ServiceRefused(
        ActionCode.PAYMENT_NOT_UNKNOWN,
        f"Payment {on.payment.id} is {on.payment.status}; only one that is unknown can be "
        "resolved.",
    )


def _grant(order: OrderRecord, maker: InstanceRecord | None, codes: Sequence[Secret]) -> Grant:
    """Make the grant a person found of its codes: all of what was bought.

    Raises:
        ServiceRefused: the manufacturer makes no such codes; the message never holds one.
    """
    grant = Grant(codes=tuple(codes), quantity=order.charge.quantity, unit=order.charge.unit)
    device = Device(kind=DeviceKind.METER, serial=order.serial)
    facts = None if maker is None else maker.facts
    pattern = None if facts is None else facts.token_pattern
    if problem := check_grant(grant, order.charge, device, pattern):
        whose = f" of plugin {maker.plugin}" if maker is not None and pattern is not None else ""
        raise ServiceRefused(
            ActionCode.TOKEN_INVALID,
            f"This is no token{whose}: {problem}. Copy it from the manufacturer's own records, one "
            "code per line; nothing was sent.",
        )
    return grant


def _propose(on: ActionOn, order: OrderRecord, kind: ProposalKind, action: Action) -> bool:
    if not propose(on.connection, order, kind, on.actor):
        return False
    refresh_payment(on.connection, on.payment.id, on.actor.at)
    on.note(action, {"order": order.id, "attempts": order.attempts})
    return True


def _refuse_same_person(on: ActionOn, proposal: Proposal) -> None:
    if _person(proposal.proposed_by) == _person(on.actor.name):
        raise ServiceRefused(
            ActionCode.APPROVAL_BY_SAME_PERSON,
            f"{proposal.proposed_by} proposed this for payment {on.payment.id}; somebody else "
            "must approve it.",
        )


def _person(name: str) -> str:
    return name.strip().casefold()
