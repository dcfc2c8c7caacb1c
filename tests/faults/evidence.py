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
Sold = tuple[str, int | None]  # serial, and watt-hours or days; an unlock has no quantity


@attrs.frozen(kw_only=True)
class Findings:
    """What was found; all empty when every promise was kept.

    Attributes:
        lost: acknowledged payments that are not booked.
        doubled: sales a manufacturer made beyond one for each order.
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
    ordered = Counter((row.serial, row.quantity) for row in orders)
    doubt = Counter((row.serial, row.quantity) for row in orders if _may_have_been_sold(row))
    unissued = Counter(sale for sale, code in sales if (sale[0], code) not in codes)
    return Findings(
        lost=tuple(sorted(set(acknowledged) - booked)),
        doubled=dict(sold - ordered),
        orphans=dict(unissued - doubt),
        invented=len(codes - set(sold_codes(scene))),
        ledger=tuple(differences(engine)),
    )


def _may_have_been_sold(order: sa.Row[tuple[str, int | None, str]]) -> bool:
    """Tell whether a sale may belong to an order that has no token.

    An unlock that a death interrupted is queued to be asked again; see `_sales`.
    """
    is_unlock = order.quantity is None
    return order.status in _DOUBT or (is_unlock and order.status == OrderStatus.QUEUED)


_BOOKED_REFERENCES = sa.select(t.payments.c.reference).where(t.payments.c.status.in_(_BOOKED))
_IS_BLIND = t.instances.c.name.in_(BLIND_MAKERS)
_ORDERS = (
    sa.select(t.devices.c.serial, t.orders.c.quantity, t.orders.c.status)
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
    """Return every sale and its code.

    Being unlocked is a state: whoever dies between asking and answer rightly asks again, and of a
    device's unlocks the last is the one that was sold.
    """
    calin, tokens = scene.simulators["calin"], list(scene.simulators["sunking"].tokens)
    energy = [((sale.serial, sale.watt_hours), sale.code) for sale in list(calin.sales)]
    days = [((token.serial, token.days), token.code) for token in tokens if token.days is not None]
    unlocks = {(token.serial, None): token.code for token in tokens if token.days is None}
    return [*energy, *days, *unlocks.items()]
