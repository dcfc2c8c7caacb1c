"""What a crash may not leave behind at manufacturers that recover by our key.

They know under which key they sold: each sale is compared with the order it was made for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

import attrs
import sqlalchemy as sa

from mpm_host.database import tables as t
from mpm_host.orders.order_rules import OrderStatus
from tests.faults.acme_makers import KEYED_MAKER, LOOKUP_MAKER, Sale
from tests.faults.scene import Scene

__all__ = ["not_issued", "sold_otherwise"]

_ORDERS = (
    sa.select(
        t.instances.c.name.label("maker"),
        t.orders.c.id,
        t.orders.c.status,
        t.orders.c.doubt,
        t.devices.c.serial,
        t.tokens.c.codes,
    )
    .select_from(t.orders)
    .join(t.devices, t.devices.c.id == t.orders.c.device_id)
    .join(t.instances, t.instances.c.id == t.devices.c.instance_id)
    .outerjoin(t.tokens, t.tokens.c.order_id == t.orders.c.id)
    .where(t.instances.c.name.in_([KEYED_MAKER, LOOKUP_MAKER]))
)


@attrs.frozen(kw_only=True)
class _Order:
    maker: str
    serial: str
    status: OrderStatus
    doubt: bool
    codes: tuple[str, ...]

    @property
    def may_be_sold(self) -> bool:
        """Tell whether its manufacturer may have sold something for it."""
        return self.doubt or self.status in {
            OrderStatus.SENT,
            OrderStatus.UNKNOWN,
            OrderStatus.ISSUED,
        }


def sold_otherwise(scene: Scene) -> list[str]:
    """Say what was sold and not as ordered, or issued and not as sold; nothing if all agrees.

    Every order has one sale under its key at most, whenever a host has died; and every token of
    theirs is what was sold under the key of its order.

    Args:
        scene: whose host is dead, or has nothing open.
    """
    orders = _orders(scene)
    return [
        wrong
        for maker in (KEYED_MAKER, LOOKUP_MAKER)
        for wrong in _wrong_at(
            scene.simulators[maker].sales,
            {key: order for key, order in orders.items() if order.maker == maker},
        )
    ]


def not_issued(scene: Scene) -> list[str]:
    """Say which orders of theirs were not issued, though both need no person for that.

    Args:
        scene: where nothing is open any more.
    """
    return [
        f"the order {key} of {order.maker} is {order.status}"
        for key, order in _orders(scene).items()
        if order.status is not OrderStatus.ISSUED
    ]


def _wrong_at(sales: Sequence[Sale], orders: dict[str, _Order]) -> Iterator[str]:
    for key, count in Counter(sale.key for sale in sales).items():
        if count > 1:
            yield f"{count} tokens were sold under {key}"
    for sale in sales:
        order = orders.get(sale.key)
        if order is None or order.serial != sale.serial:
            yield f"a token of {sale.serial} was sold under {sale.key}, which is no order of its"
        elif not order.may_be_sold:
            yield f"a token was sold under {sale.key}, which is {order.status}"
    sold = {(sale.key, sale.code) for sale in sales}
    for key, order in orders.items():
        if (order.status is OrderStatus.ISSUED) is not bool(order.codes):
            yield f"the order {key} is {order.status} and has {len(order.codes)} codes"
        for code in order.codes:
            if (key, code) not in sold:
                yield f"the order {key} has a token that was not sold under it"


def _orders(scene: Scene) -> dict[str, _Order]:
    with scene.opened.engines.read.connect() as connection:
        return {
            row.id: _Order(
                maker=row.maker,
                serial=row.serial,
                status=OrderStatus(row.status),
                doubt=row.doubt,
                codes=_codes(scene, row.codes),
            )
            for row in connection.execute(_ORDERS)
        }


def _codes(scene: Scene, sealed: bytes | None) -> tuple[str, ...]:
    return () if sealed is None else tuple(json.loads(scene.opened.vault.open(sealed)))
