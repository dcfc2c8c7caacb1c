"""What a crash may not leave behind, looked for in the database and at the manufacturers.

The manufacturers' own books are the witness: they know what they sold, whatever we remember. Here
are those that can be asked nothing; the others are examined in `recovered.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

import attrs
import sqlalchemy as sa

from mpm_core import PaymentStatus
from mpm_host.database import tables as t
from mpm_host.orders.order_rules import OrderStatus
from tests.faults.scene import BLIND_MAKERS, Scene
from tests.support.table_contents import differences

__all__ = ["Findings", "examine", "sold_codes"]

# What was taken back since is no loss.
_BOOKED = [
    status.value for status in PaymentStatus if status.is_booked or status is PaymentStatus.REVERSED
]
_DOUBT = (OrderStatus.SENT, OrderStatus.UNKNOWN, OrderStatus.PARKED)
_Order = sa.Row[tuple[str, int | None, str, int]]  # serial, quantity, status, attempts
Sold = tuple[str, int | None]  # serial, and watt-hours or days; an unlock has no quantity


@attrs.frozen(kw_only=True)
class Findings:
    """What was found; all empty when every promise was kept.

    Attributes:
        lost: acknowledged payments that are not booked.
        doubled: sales a manufacturer made beyond one for each order, of unlocks for each attempt.
        orphans: sales that belong to no issued token and to no order in doubt.
        invented: tokens that no manufacturer sold.
        ledger: what `mpm verify` finds.
    """

    lost: tuple[str, ...]
    doubled: Mapping[Sold, int]
    orphans: Mapping[Sold, int]
    invented: int
    ledger: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing was found."""
        return self == Findings(lost=(), doubled={}, orphans={}, invented=0, ledger=())


def examine(scene: Scene, acknowledged: Mapping[str, bytes]) -> Findings:
    """Compare what the telecom, the manufacturers and the database say.

    Other hosts may go on meanwhile: what must be in the database is read before it (calls that were
    acknowledged, sales), what must have been sold is asked after it.
    """
    engine = scene.opened.engines.read
    sales = _sales(scene)
    with engine.connect() as connection:
        booked = set(connection.execute(_BOOKED_REFERENCES).scalars())
        orders = connection.execute(_ORDERS).all()
        codes = {
            (row.serial, code)
            for row in connection.execute(_TOKENS)
            for code in json.loads(scene.opened.vault.open(row.codes))
        }
    sold = Counter(sale for sale, _ in sales)
    ordered: Counter[Sold] = Counter()
    doubt: Counter[Sold] = Counter()
    for row in orders:
        ordered[row.serial, row.quantity] += _most_sales(row)
        doubt[row.serial, row.quantity] += _most_sales_without_token(row)
    unissued = Counter(sale for sale, code in sales if (sale[0], code) not in codes)
    return Findings(
        lost=tuple(sorted(set(acknowledged) - booked)),
        doubled=dict(sold - ordered),
        orphans=dict(unissued - doubt),
        invented=len(codes - set(sold_codes(scene))),
        ledger=tuple(differences(engine)),
    )


def _most_sales(order: _Order) -> int:
    """Return how often a manufacturer may have been asked for an order's token.

    Being unlocked is a state: whoever dies between asking and answer rightly asks again, but each
    time commits an attempt first.
    """
    return order.attempts if order.quantity is None else 1


def _most_sales_without_token(order: _Order) -> int:
    """Return how many sales of an order may have brought nothing."""
    if order.quantity is None:
        return order.attempts - (order.status == OrderStatus.ISSUED)
    return int(order.status in _DOUBT)


_BOOKED_REFERENCES = sa.select(t.payments.c.reference).where(t.payments.c.status.in_(_BOOKED))
_IS_BLIND = t.instances.c.name.in_(BLIND_MAKERS)
_ORDERS = (
    sa.select(
        t.devices.c.serial,
        t.orders.c.quantity,
        t.orders.c.status,
        sa.select(sa.func.count())
        .where(t.attempts.c.order_id == t.orders.c.id)
        .scalar_subquery()
        .label("attempts"),
    )
    .join(t.devices, t.devices.c.id == t.orders.c.device_id)
    .join(t.instances, t.instances.c.id == t.devices.c.instance_id)
    .where(_IS_BLIND)
)
_TOKENS = (
    sa.select(t.devices.c.serial, t.tokens.c.codes)
    .join(t.devices, t.devices.c.id == t.tokens.c.device_id)
    .join(t.instances, t.instances.c.id == t.devices.c.instance_id)
    .where(_IS_BLIND)
)


def sold_codes(scene: Scene) -> list[tuple[str, str]]:
    """Return serial and code of every sale, as often as it was made.

    All meters have the published test key: two of them may rightly get the same code.
    """
    return [(sale[0], code) for sale, code in _sales(scene)]


def _sales(scene: Scene) -> list[tuple[Sold, str]]:
    calin, sunking = scene.simulators["calin"], scene.simulators["sunking"]
    energy = [((sale.serial, sale.watt_hours), sale.code) for sale in list(calin.sales)]
    days = [((token.serial, token.days), token.code) for token in list(sunking.tokens)]
    return [*energy, *days]
