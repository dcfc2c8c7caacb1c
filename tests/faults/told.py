"""What a crash may not leave untold or unasked, once nothing is open any more.

The telecom's own book is the witness: of every fact it heard, of every phone it prompted and of
everybody who paid then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import PaymentStatus
from mpm_host.database import tables as t
from mpm_host.database.outbox_tables import pushes, tellings
from mpm_host.orders.order_rules import OrderStatus
from mpm_host.pushes.push_rules import PushStatus
from tests.faults.attentive_pay import AttentiveSimulator
from tests.faults.scene import ATTENTIVE, Scene

__all__ = ["unasked", "untold"]

_SETTLED = (PaymentStatus.SETTLED, PaymentStatus.REVERSED)  # only what was settled is taken back
_p, _o, _m = t.payments.c, t.orders.c, t.messages.c
_OURS = sa.select(t.instances.c.id).where(t.instances.c.name == ATTENTIVE).scalar_subquery()
_PUSHED = sa.select(pushes.c.payment_id)
# What must have been heard, by hook, as the key it is told by.
_FACTS: Mapping[str, sa.Select[tuple[str]]] = {
    "mpm_payment_accepted": sa.select(_p.reference).where(_p.accepted_at.is_not(None)),
    "mpm_payment_settled": sa.select(_p.reference).where(_p.status.in_(_SETTLED)),
    "mpm_token_issued": sa.select(_o.id).where(_o.status == OrderStatus.ISSUED),
    "mpm_order_held": sa.select(_o.id).where(_o.status == OrderStatus.PARKED),
    "mpm_device_registered": sa.select(t.devices.c.serial),
    "mpm_message_sent": sa.select(_m.key).where(_m.sent_at.is_not(None)),
    "mpm_report_payment": sa.select(_p.reference).where(
        _p.instance_id == _OURS, _p.accepted_at.is_not(None), _p.id.not_in(_PUSHED)
    ),
}


def untold(scene: Scene) -> list[str]:
    """Say what is wrong with what the telecom was told; nothing if every fact arrived."""
    heard = _telecom(scene).heard.copy()
    with scene.opened.engines.read.connect() as connection:
        return [
            *_still_in_the_outbox(connection),
            *_not_heard(connection, Counter((fact.hook, fact.key) for fact in heard)),
        ]


def _still_in_the_outbox(connection: Connection) -> Iterator[str]:
    for hook in connection.execute(sa.select(tellings.c.hook)).scalars():
        yield f"a fact of {hook} is still in the outbox"


def _not_heard(connection: Connection, heard: Counter[tuple[str, str]]) -> Iterator[str]:
    """Each fact was told at least once, always in the same words, and nothing else was."""
    true = {
        (hook, key) for hook, query in _FACTS.items() for key in connection.execute(query).scalars()
    }
    for hook, key in sorted(true - set(heard)):
        yield f"{hook} of {key} was never told"
    for hook, key in sorted(set(heard) - true):
        if hook != "mpm_order_held":  # a person, or a late answer, may have decided it since
            yield f"{hook} of {key} was told and is not true"
    for (hook, key), versions in heard.items():
        if versions > 1:
            yield f"{hook} of {key} was told under {versions} different numbers"


def unasked(scene: Scene, pushed: list[str]) -> list[str]:
    """Say what is wrong with pushes: each prompts once at most, and ends as the telecom says.

    Args:
        scene: where nothing is open any more.
        pushed: references of the pushes that we said we would make.
    """
    prompted = Counter(_telecom(scene).prompts)
    with scene.opened.engines.read.connect() as connection:
        query = sa.select(pushes.c.key, pushes.c.status)
        ours = {row.key: PushStatus(row.status) for row in connection.execute(query)}
        booked = set(connection.execute(_FACTS["mpm_payment_accepted"]).scalars())
    return [
        *(f"push {key} is lost" for key in sorted(set(pushed) - set(ours))),
        *(f"{key} was prompted {n} times" for key, n in sorted(prompted.items()) if n > 1),
        *(f"{key} was prompted and is not ours" for key in sorted(set(prompted) - set(ours))),
        *_ended_otherwise(ours, set(prompted), booked),
    ]


def _ended_otherwise(
    ours: Mapping[str, PushStatus], paid: set[str], booked: set[str]
) -> Iterator[str]:
    """Whoever was prompted has paid: that is booked; nobody else's is."""
    for key, status in ours.items():
        expected = PushStatus.PAID if key in paid else PushStatus.FAILED
        if status is not expected:
            yield f"push {key} is {status}, not {expected}"
        if (key in booked) is not (key in paid):
            yield f"push {key} is {'' if key in booked else 'not '}booked"


def _telecom(scene: Scene) -> AttentiveSimulator:
    simulator: AttentiveSimulator = scene.simulators[ATTENTIVE]
    return simulator
