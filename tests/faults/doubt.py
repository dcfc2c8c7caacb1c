"""Which orders a death may leave in doubt, and whether every other one brought its token.

A comparison that only looks for what is too much would acquit a host that mints nothing at all.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_host.database import tables as t
from mpm_host.orders.order_rules import AttemptOutcome, OrderStatus
from mpm_host.payments.ledger import LedgerAccount
from tests.faults.evidence import sold_codes
from tests.faults.scene import Scene

__all__ = ["badly_ended", "orders_in_hand"]

_o, _a, _k, _p = t.orders.c, t.attempts.c, t.tokens.c, t.payments.c
_IS_TRIED = sa.exists().where(_a.order_id == _o.id, _a.outcome == AttemptOutcome.SENT)
_IN_HAND = sa.select(_o.id).where(
    sa.or_(
        _o.status.in_([OrderStatus.SENT, OrderStatus.UNKNOWN]),
        sa.and_(_o.finished_at.is_(None), _IS_TRIED),
    )
)
_ORDERS = (
    sa.select(_o.id, _o.status, t.devices.c.serial, _p.reference)
    .join(t.payments, _p.id == _o.payment_id)
    .join(t.devices, t.devices.c.id == _o.device_id)
)
_TOKENS = sa.select(_k.order_id, _k.codes)
_HAS_ORDER = sa.exists().where(_o.payment_id == _p.id)
_IS_SOLD_ENERGY = sa.exists().where(
    t.entries.c.payment_id == _p.id, t.entries.c.account == LedgerAccount.ENERGY
)
# Whose whole payment may clear debts, so that nothing is left to be ordered; see `Device.owes`.
_WITHOUT_ORDER = sa.select(_p.reference, _p.serial, _IS_SOLD_ENERGY.label("sold_energy")).where(
    _p.accepted_at.is_not(None), sa.not_(_HAS_ORDER)
)


@attrs.frozen(kw_only=True)
class _Order:
    status: OrderStatus
    serial: str
    reference: str


def orders_in_hand(scene: Scene) -> set[str]:
    """Return the ids of the orders a manufacturer may have been asked for, with no answer yet."""
    with scene.opened.engines.read.connect() as connection:
        return set(connection.execute(_IN_HAND).scalars())


def badly_ended(scene: Scene, doubt: AbstractSet[str]) -> list[str]:
    """Say which orders did not end as they must; nothing if all did.

    Whoever was in hand when a host died may wait for a person. Every other order is issued, with
    one token, which its manufacturer sold and no other order has; and whoever paid for more than
    debts has an order.

    Args:
        scene: where nothing is open any more.
        doubt: ids of the orders that were in hand at a death.
    """
    with scene.opened.engines.read.connect() as connection:
        orders = {
            row.id: _Order(
                status=OrderStatus(row.status), serial=row.serial, reference=row.reference
            )
            for row in connection.execute(_ORDERS)
        }
        codes = _codes(scene, connection)
        unordered = connection.execute(_WITHOUT_ORDER).all()
    owing = {device.serial for device in scene.devices if device.owes}
    return [
        *(
            f"{row.reference} is paid and nothing was ordered for it"
            for row in unordered
            if row.sold_energy or row.serial not in owing
        ),
        *_not_issued(orders, doubt),
        *_without_a_token_of_its_own(orders, codes, Counter(sold_codes(scene))),
    ]


def _codes(scene: Scene, connection: Connection) -> Mapping[str, tuple[str, ...]]:
    return {
        row.order_id: tuple(json.loads(scene.opened.vault.open(row.codes)))
        for row in connection.execute(_TOKENS)
    }


def _not_issued(orders: Mapping[str, _Order], doubt: AbstractSet[str]) -> Iterator[str]:
    for key, order in orders.items():
        in_doubt = order.status is OrderStatus.PARKED and key in doubt
        if order.status is not OrderStatus.ISSUED and not in_doubt:
            yield f"the order of {order.reference} is {order.status}, and nobody died over it"


def _without_a_token_of_its_own(
    orders: Mapping[str, _Order],
    codes: Mapping[str, tuple[str, ...]],
    sold: Counter[tuple[str, str]],
) -> Iterator[str]:
    """Each issued order has codes; each was sold once for its device, and no other order has it."""
    owned = {
        key: [(orders[key].serial, code) for code in its_codes] for key, its_codes in codes.items()
    }
    owners = Counter(code for its_codes in owned.values() for code in its_codes)
    for key, order in orders.items():
        if order.status is not OrderStatus.ISSUED:
            continue
        its_codes = owned.get(key, [])
        if not its_codes or any((owners[code], sold[code]) != (1, 1) for code in its_codes):
            yield f"the order of {order.reference} is issued without a token of its own"
