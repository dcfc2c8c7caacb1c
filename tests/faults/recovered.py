"""What a crash may not leave behind at manufacturers that recover, once nothing is open any more.

They end every doubt by themselves, so their books and ours must agree exactly; and every customer
must have been told every token.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import DeviceMapping
from mpm_host.database import tables as t
from mpm_host.orders.order_rules import OrderStatus
from tests.faults.scene import Scene
from tests.faults.sold_under_key import not_issued

__all__ = ["type_all_codes", "unrecovered"]


def unrecovered(scene: Scene, since: datetime) -> list[str]:
    """Say what is wrong; nothing if every book agrees.

    Args:
        scene: where nothing was open any more.
        since: when that was; a bike that has run out later may be on or off.
    """
    with scene.opened.engines.read.connect() as connection:
        return [
            *_vendor_counted_otherwise(scene, connection),
            *not_issued(scene),
            *_switched_otherwise(scene, connection, since),
            *_not_told(scene, connection),
            *_forgotten(connection),
        ]


def _vendor_counted_otherwise(scene: Scene, connection: Connection) -> Iterator[str]:
    """Angaza's end of credit moves once for every order that was issued, however often asked."""
    issued = Counter(
        connection.execute(
            _orders(t.devices.c.serial, "angaza").where(t.orders.c.status == OrderStatus.ISSUED)
        ).scalars()
    )
    open_orders = connection.execute(
        _orders(t.devices.c.serial, "angaza").where(t.orders.c.finished_at.is_(None))
    ).scalars()
    for serial in open_orders:
        yield f"an order of {serial} is still open"
    for serial in connection.execute(_orders(t.devices.c.serial, "angaza").distinct()).scalars():
        counted = scene.simulators["angaza"].grants(serial)
        if counted != issued[serial]:
            yield f"{serial} was granted {counted} times, issued {issued[serial]} times"


def _switched_otherwise(scene: Scene, connection: Connection, since: datetime) -> Iterator[str]:
    """A bike is on while it is paid for, and we know which."""
    s, now = t.switches.c, scene.clock()
    query = sa.select(t.devices.c.serial, s.unlocked, s.paid_until, s.is_on).join(
        t.devices, t.devices.c.id == s.device_id
    )
    runs_out_now = s.paid_until.between(since, now)
    for row in connection.execute(query.where(s.paid_until.is_not(None), sa.not_(runs_out_now))):
        should = row.unlocked or row.paid_until > now
        on = scene.simulators["daly"].bike(row.serial).on
        if not should == on == row.is_on:
            yield f"{row.serial} is {'on' if on else 'off'}, we think {row.is_on}"


def _not_told(scene: Scene, connection: Connection) -> Iterator[str]:
    """Every message went out at least once, and nothing else did."""
    m = t.messages.c
    ours = {
        (row.phone, scene.opened.vault.open(row.body))
        for row in connection.execute(sa.select(m.phone, m.body))
    }
    sent = {(one.number, one.text) for one in list(scene.simulators["africastalking"].sent)}
    for _, text in ours - sent:
        yield f"never sent: {text}"
    for _, text in sent - ours:
        yield f"sent and not ours: {text}"


def _forgotten(connection: Connection) -> Iterator[str]:
    """Every device is looked up, or will be."""
    d = t.devices.c
    query = sa.select(d.serial).where(d.mapping == DeviceMapping.UNKNOWN, d.next_at.is_(None))
    for serial in connection.execute(query).scalars():
        yield f"{serial} was never looked up and never will be"


def type_all_codes(scene: Scene) -> Sequence[str]:
    """Type every code we have into its OpenPAYGO device, in order; return what was rejected."""
    k = t.tokens.c
    query = _orders(sa.literal_column("1"), "openpaygo").with_only_columns(
        t.devices.c.serial, k.codes
    )
    query = query.join(t.tokens, k.order_id == t.orders.c.id).order_by(k.id)
    with scene.opened.engines.read.connect() as connection:
        rows = connection.execute(query).all()
    shown = [
        f"{row.serial}: {scene.simulators['openpaygo'].use_token(row.serial, code)}"
        for row in rows
        for code in json.loads(scene.opened.vault.open(row.codes))
    ]
    return [text for text in shown if ": accepted" not in text] if shown else ["nothing was typed"]


def _orders(column: sa.ColumnElement[str], maker: str) -> sa.Select[tuple[str]]:
    return (
        sa.select(column)
        .select_from(t.orders)
        .join(t.devices, t.devices.c.id == t.orders.c.device_id)
        .join(t.instances, t.instances.c.id == t.devices.c.instance_id)
        .where(t.instances.c.name == maker)
    )
