"""Appliances: what a company sells, on a plan or at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import DeviceKind, Money
from mpm_core.plans import PlanKind
from mpm_host.database import tables as t
from mpm_host.directory import CompanyRecord
from mpm_host.identifiers import new_identifier
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.inputs import check_amount_given, read_name

__all__ = [
    "ApplianceKind",
    "StoredAppliance",
    "appliance_row",
    "create_appliance",
    "find_appliances",
]


class ApplianceKind(StrEnum):
    """What an appliance is; devices of the same kind are sold as it."""

    SHS = "shs"
    E_BIKE = "e_bike"
    OTHER = "other"

    @property
    def device_kind(self) -> DeviceKind | None:
        """The kind of its device; `None` for plain appliances, which take no tokens."""
        return None if self is ApplianceKind.OTHER else DeviceKind(self.value)

    @property
    def plan_kind(self) -> PlanKind:
        """The kind of plan it is paid on."""
        return PlanKind.APPLIANCE if self is ApplianceKind.OTHER else PlanKind(self.value)


@attrs.frozen(kw_only=True)
class StoredAppliance:
    """An appliance of a company; the price is its list price in minor units."""

    id: str
    name: str
    kind: ApplianceKind
    price: int


def create_appliance(  # noqa: PLR0913, PLR0917 - an appliance is these
    connection: Connection,
    company: CompanyRecord,
    name: str,
    kind: ApplianceKind,
    price: Money,
    now: datetime,
) -> str:
    """Create an appliance and return its id.

    The price is the list price; a sale may agree on another cost.

    Raises:
        ServiceRefused: the name is empty or taken, or the price is none.
    """
    appliance = StoredAppliance(
        id=new_identifier(),
        name=read_name(name, "appliance"),
        kind=kind,
        price=check_amount_given(price, company.company.currency, "price"),
    )
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(t.appliances), [appliance_row(company, appliance, now)])
    except sa.exc.IntegrityError:
        raise ServiceRefused(
            RefusalCode.NAME_TAKEN,
            f"The company has an appliance {appliance.name!r} already; use that one or choose "
            "another name.",
        ) from None
    return appliance.id


def appliance_row(
    company: CompanyRecord, appliance: StoredAppliance, now: datetime
) -> dict[str, object]:
    """Return the row of a new appliance."""
    return {
        "id": appliance.id,
        "company_id": company.id,
        "name": appliance.name,
        "kind": appliance.kind.value,
        "price": appliance.price,
        "created_at": now,
    }


def find_appliances(
    connection: Connection,
    company: CompanyRecord,
    *,
    ids: Iterable[str] = (),
    names: Iterable[str] = (),
) -> Mapping[str, StoredAppliance]:
    """Return the company's appliances of some ids or names, by id; unknown ones are absent."""
    a = t.appliances.c
    wanted = sa.or_(a.id.in_(sorted(set(ids))), a.name.in_(sorted(set(names))))
    query = sa.select(a.id, a.name, a.kind, a.price).where(a.company_id == company.id, wanted)
    return {
        row.id: StoredAppliance(
            id=row.id, name=row.name, kind=ApplianceKind(row.kind), price=row.price
        )
        for row in connection.execute(query)
    }
