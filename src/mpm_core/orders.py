"""What a manufacturer is asked for and what it gives: charges, orders, grants.

An *order* is one piece of value owed to one device. It may take several *attempts*; `Order.key`
stays the same over all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import attrs

from mpm_core.money import Money
from mpm_core.secrets import Secret
from mpm_core.units import Unit

__all__ = [
    "Charge",
    "ChargeKind",
    "Delivery",
    "Grant",
    "NotFound",
    "Order",
    "Pending",
    "Prepared",
]


class ChargeKind(StrEnum):
    """What a charge does to the device."""

    ENERGY = "energy"
    TIME = "time"
    UNLOCK = "unlock"
    CLEAR = "clear"


class Delivery(StrEnum):
    """How a grant reaches the device."""

    KEYPAD = "keypad"  # somebody types the codes
    REMOTE = "remote"  # the vendor credits the device itself


@attrs.frozen(kw_only=True)
class Charge:
    """What the device shall get.

    Attributes:
        money: what the customer pays for it.
        quantity: watt-hours for energy, whole days for time, `None` for unlock and clear.
        unit: of `quantity`.
        unit_price: major units per kWh or per day, exactly; for vendors that are told money.
    """

    kind: ChargeKind
    money: Money
    quantity: int | None = None
    unit: Unit | None = None
    unit_price: Decimal | None = None


@attrs.frozen(kw_only=True)
class Order:
    """The order a charge belongs to.

    Attributes:
        key: the idempotency key: the same at every attempt, unique over all companies, 32
            characters of `0-9a-f`.
        attempt: 1 for the first try.
        created_at: when the payment was accepted; aware.
        sent_at: when `attempt` was begun; aware. Set where `mpm_find_token` asks for what became
            of it: from then on count how long the vendor may take, for `NotFound.conclusive`.
        prepared: what `mpm_prepare_order` returned as `inputs`, the same at every attempt that
            may follow one which had its effect.
    """

    key: str
    attempt: int
    created_at: datetime
    sent_at: datetime | None = None
    prepared: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Prepared:
    """What must be durable before the vendor is asked.

    Attributes:
        inputs: small texts stored with the order and handed to every attempt.
        state: the device's new `state`, replaced by compare-and-set together with the attempt;
            `None` leaves it as it is.
    """

    inputs: Mapping[str, str] = attrs.field(factory=dict)
    state: Mapping[str, str] | None = None


@attrs.frozen(kw_only=True)
class Grant:
    """What the device got.

    Attributes:
        codes: token codes in the order to enter them; empty where the vendor credits the device.
        quantity: what was really granted, in `unit`; `None` for unlock and clear.
        unit: of `quantity`.
        delivery: by keypad or remotely.
        vendor_reference: the vendor's id of the sale, if it gives one.
        device_serial: the serial the vendor's answer names, if it does; another one than asked for
            quarantines the grant.
    """

    codes: tuple[Secret, ...] = ()
    quantity: int | None = None
    unit: Unit | None = None
    delivery: Delivery = Delivery.KEYPAD
    vendor_reference: str = ""
    device_serial: str | None = None


@attrs.frozen(kw_only=True)
class Pending:
    """The vendor works on it: ask `mpm_find_token` after a while."""

    after: timedelta


@attrs.frozen(kw_only=True)
class NotFound:
    """The vendor does not know of the order.

    Attributes:
        conclusive: it can no longer appear, however long the vendor took over a request that was
            on its way (see `Order.sent_at`); two conclusive answers end the doubt.
    """

    conclusive: bool
