"""What the database knows of a batch of import rows: one query per table, whatever the batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_host.database import tables as t
from mpm_host.database.lists import among, as_list
from mpm_host.directory import CompanyRecord
from mpm_host.imports.import_memory import FileMemory, KnownCustomer
from mpm_host.imports.import_rows import ImportRow, NamedTariff, PlacePath
from mpm_host.registration.appliances import StoredAppliance, find_appliances
from mpm_host.registration.tariff_book import StoredTariff, find_tariffs, keep_versions

__all__ = ["BatchKnowledge", "KnownDevice", "look_up"]


@attrs.frozen(kw_only=True)
class KnownDevice:
    """A device of the company that has a serial of the batch."""

    kind: str
    manufacturer: str
    phone: str | None
    village_id: str
    tariff: str | None
    appliance: str | None
    has_plan: bool


@attrs.frozen(kw_only=True)
class BatchKnowledge:
    """Everything the rows of a batch name; rows add to it what they make."""

    places: dict[PlacePath, str]
    tariffs: dict[str, StoredTariff]
    appliances: dict[str, StoredAppliance]
    customers: dict[str, list[KnownCustomer]]
    devices: dict[str, KnownDevice]
    rows: dict[str, int]


def look_up(
    connection: Connection,
    company: CompanyRecord,
    memory: FileMemory,
    rows: Sequence[ImportRow],
    *,
    landed: bool,
) -> BatchKnowledge:
    """Find what rows name: in the database, and what rows before them would have made.

    Args:
        connection: to the database.
        company: whose rows they are.
        memory: of the rows before.
        rows: of one batch.
        landed: what rows before made is in the database, and only that: somebody may have deleted
            it meanwhile.
    """
    phones = {row.phone.e164 for row in rows}
    serials = {row.serial for row in rows}
    named = _named(row.tariff for row in rows)
    keep_versions(connection, company, names=named)
    tariffs = find_tariffs(connection, company, names=named)
    appliances = find_appliances(
        connection, company, names={row.appliance for row in rows if row.appliance}
    )
    known = BatchKnowledge(
        places=_places(connection, company, {row.place for row in rows}),
        tariffs={tariff.name: tariff for tariff in tariffs.values()},
        appliances={found.name: found for found in appliances.values()},
        customers=_customers(connection, company, phones),
        devices=_devices(connection, company, serials),
        rows=memory.rows_of(serials),
    )
    if landed:
        return known
    return attrs.evolve(
        known,
        places=memory.places | known.places,
        tariffs=memory.tariffs | known.tariffs,
        appliances=memory.appliances | known.appliances,
        customers=memory.customers_of(phones) | known.customers,
    )


def _named(tariffs: Iterable[object]) -> set[str]:
    return {tariff.name for tariff in tariffs if isinstance(tariff, NamedTariff)}


def _places(
    connection: Connection, company: CompanyRecord, paths: set[PlacePath]
) -> dict[PlacePath, str]:
    """Return the ids of the clusters, mini-grids and villages on some paths that exist."""
    clusters = _children(connection, company, t.clusters, None, {}, {p[:1] for p in paths})
    mini_grids = _children(
        connection, company, t.mini_grids, t.mini_grids.c.cluster_id, clusters,
        {p[:2] for p in paths},
    )  # fmt: skip
    villages = _children(
        connection, company, t.villages, t.villages.c.mini_grid_id, mini_grids, paths
    )
    return clusters | mini_grids | villages


def _children(  # noqa: PLR0913, PLR0917 - one query for three tables
    connection: Connection,
    company: CompanyRecord,
    table: sa.Table,
    parent: sa.Column[str] | None,
    parents: dict[PlacePath, str],
    paths: set[PlacePath],
) -> dict[PlacePath, str]:
    path_of = {identifier: path for path, identifier in parents.items()}
    query = sa.select(table.c.id, table.c.name).where(
        table.c.company_id == company.id, table.c.name.in_(sorted({path[-1] for path in paths}))
    )
    if parent is not None:
        query = query.add_columns(parent.label("parent")).where(parent.in_(sorted(path_of)))
    return {
        (*(path_of[row.parent] if parent is not None else ()), row.name): row.id
        for row in connection.execute(query)
    }


def _customers(
    connection: Connection, company: CompanyRecord, phones: set[str]
) -> dict[str, list[KnownCustomer]]:
    found: dict[str, list[KnownCustomer]] = defaultdict(list)
    for row in connection.execute(_CUSTOMERS, {"company": company.id, "phones": as_list(phones)}):
        found[row.phone].append(KnownCustomer(id=row.id, name=row.name, surname=row.surname))
    return found


def _devices(
    connection: Connection, company: CompanyRecord, serials: set[str]
) -> dict[str, KnownDevice]:
    given = {"company": company.id, "serials": as_list(serials)}
    return {
        row["serial"]: KnownDevice(**{name: row[name] for name in _DEVICE_FACTS})
        for row in connection.execute(_DEVICES, given).mappings()
    }


_CUSTOMER, _DEVICE = t.customers.c, t.devices.c
_CUSTOMERS = (
    sa.select(_CUSTOMER.phone, _CUSTOMER.id, _CUSTOMER.name, _CUSTOMER.surname)
    .where(
        _CUSTOMER.company_id == sa.bindparam("company"),
        among(_CUSTOMER.phone, "phones"),
        _CUSTOMER.deleted_at.is_(None),
    )
    .order_by(_CUSTOMER.id)
)
# By the owner, because plans are indexed by customer.
_HAS_PLAN = sa.exists().where(
    t.plans.c.customer_id == _DEVICE.customer_id, t.plans.c.device_id == _DEVICE.id
)
_DEVICES = (
    sa.select(
        _DEVICE.serial, _DEVICE.kind, _DEVICE.village_id,
        t.instances.c.name.label("manufacturer"), t.customers.c.phone,
        t.tariffs.c.name.label("tariff"), t.appliances.c.name.label("appliance"),
        _HAS_PLAN.label("has_plan"),
    )
    .select_from(
        t.devices.join(t.instances, t.instances.c.id == _DEVICE.instance_id)
        .outerjoin(t.customers, t.customers.c.id == _DEVICE.customer_id)
        .outerjoin(t.tariffs, t.tariffs.c.id == _DEVICE.tariff_id)
        .outerjoin(t.appliances, t.appliances.c.id == _DEVICE.appliance_id)
    )
    .where(_DEVICE.company_id == sa.bindparam("company"), among(_DEVICE.serial, "serials"))
)  # fmt: skip
_DEVICE_FACTS = tuple(field.name for field in attrs.fields(KnownDevice))
