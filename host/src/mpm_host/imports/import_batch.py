"""One batch of import rows: what each becomes, decided row by row on what the batch knows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import DeviceKind
from mpm_host.database import tables as t
from mpm_host.database.lists import among, as_list
from mpm_host.identifiers import new_identifier
from mpm_host.imports.import_details import typed_details
from mpm_host.imports.import_lookup import BatchKnowledge
from mpm_host.imports.import_matching import (
    check_same_device,
    check_same_tariff,
    new_tariff,
    same_name,
)
from mpm_host.imports.import_memory import FileMemory, KnownCustomer
from mpm_host.imports.import_report import RowReport, RowStatus
from mpm_host.imports.import_rows import ImportRow, NamedTariff, PlacePath
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.appliances import ApplianceKind, StoredAppliance, appliance_row
from mpm_host.registration.registration import insert_registrations
from mpm_host.registration.registration_rules import prepare_registration
from mpm_host.registration.registration_values import (
    ExistingCustomer,
    KnownThings,
    NewCustomer,
    NewDevice,
    RegistrationContext,
    RegistrationRequest,
    RegistrationWrites,
)
from mpm_host.registration.tariff_book import StoredTariff, tariff_rows

__all__ = ["BatchDecisions", "CustomerDeletedError", "decide"]

_Named = TypeVar("_Named", StoredTariff, StoredAppliance)


class CustomerDeletedError(Exception):
    """A customer of the batch was deleted after it was decided; decide again."""


@attrs.define(kw_only=True)
class _RowMakes:
    """What one row makes; it joins the batch only when the whole row is good."""

    places: dict[PlacePath, str] = attrs.field(factory=dict)
    tariff: StoredTariff | None = None
    appliance: StoredAppliance | None = None


class BatchDecisions:
    """The reports of a batch and what is to be written; collected, then one statement per table."""

    def __init__(self, context: RegistrationContext, known: BatchKnowledge) -> None:
        self._context = context
        self._known = known
        self.reports: list[RowReport] = []
        self._places: dict[PlacePath, str] = {}
        self._tariffs: list[StoredTariff] = []
        self._appliances: list[StoredAppliance] = []
        self._customers: dict[str, KnownCustomer] = {}
        self._registrations: list[RegistrationWrites] = []
        self._serials: dict[str, int] = {}
        self._agreed: set[NamedTariff] = set()  # they say what is stored, or what will be

    def decide(self, row: ImportRow) -> None:
        """Decide one row on everything before it."""
        try:
            status = self._decide(row)
        except ServiceRefused as refusal:
            self.reports.append(RowReport.refused(row.number, refusal))
        else:
            self.reports.append(RowReport(row=row.number, status=status))
        self._serials.setdefault(row.serial, row.number)

    def _decide(self, row: ImportRow) -> RowStatus:
        earlier = self._known.rows.get(row.serial) or self._serials.get(row.serial)
        if earlier is not None:
            raise ServiceRefused(
                RefusalCode.DUPLICATE_ROW,
                f"Device {row.serial!r} is in row {earlier} already; keep one of them.",
            )
        makes = _RowMakes()
        village_id = self._village(row.place, makes)
        tariff = self._tariff(row.tariff, makes) if row.tariff else None
        appliance = self._appliance(row, makes) if row.appliance else None
        device = self._known.devices.get(row.serial)
        if device is not None:
            check_same_device(row, device, village_id)
            return RowStatus.UNCHANGED
        self._register(row, makes, village_id, tariff, appliance)
        return RowStatus.CREATED

    def _village(self, path: PlacePath, makes: _RowMakes) -> str:
        if (village_id := self._known.places.get(path)) is not None:
            return village_id
        for length in range(1, len(path) + 1):
            if path[:length] not in self._known.places:
                makes.places[path[:length]] = new_identifier()
        return makes.places[path]

    def _tariff(self, named: NamedTariff, makes: _RowMakes) -> StoredTariff:
        known = self._known.tariffs.get(named.name)
        if known is not None:
            if named not in self._agreed:
                check_same_tariff(named, known, self._context.company.company.currency)
                self._agreed.add(named)
            return known
        makes.tariff = new_tariff(named, self._context.company.company.currency)
        return makes.tariff

    def _appliance(self, row: ImportRow, makes: _RowMakes) -> StoredAppliance:
        name = row.appliance or ""
        known = self._known.appliances.get(name)
        if known is not None:
            return known
        if row.kind is DeviceKind.METER:
            raise ServiceRefused(
                RefusalCode.APPLIANCE_FORBIDDEN, "A meter is not sold as an appliance; empty it."
            )
        cost = row.terms.cost if row.terms else None
        makes.appliance = StoredAppliance(
            id=new_identifier(),
            name=name,
            kind=ApplianceKind(row.kind.value),
            price=cost.minor if cost else 0,
        )
        return makes.appliance

    def _customer(self, row: ImportRow) -> NewCustomer | ExistingCustomer:
        candidates = self._known.customers.get(row.phone.e164, [])
        for candidate in candidates:
            if same_name(candidate, row):
                return ExistingCustomer(id=candidate.id)
        if candidates:
            other = candidates[0]
            raise ServiceRefused(
                RefusalCode.CUSTOMER_DIFFERS,
                f"Phone {row.phone} belongs to {other.name} {other.surname}, not to {row.name} "
                f"{row.surname}; correct the name or the phone.",
            )
        return NewCustomer(name=row.name, surname=row.surname, phone=row.phone)

    def _details(self, row: ImportRow) -> dict[str, object]:
        if not row.details:
            return {}
        context = self._context
        instance = context.directory.instance_named(context.company.id, row.manufacturer)
        manifest = context.manifest_of(instance) if instance is not None else None
        return typed_details(row.details, manifest)

    def _register(
        self,
        row: ImportRow,
        makes: _RowMakes,
        village_id: str,
        tariff: StoredTariff | None,
        appliance: StoredAppliance | None,
    ) -> None:
        customer = self._customer(row)
        request = RegistrationRequest(
            customer=customer,
            village_id=village_id,
            device=NewDevice(
                kind=row.kind,
                serial=row.serial,
                manufacturer=row.manufacturer,
                appliance_id=appliance.id if appliance else None,
                details=self._details(row),
            ),
            tariff_id=tariff.id if tariff else None,
            sale=row.terms,
            registered_on=row.registered_on,
        )
        known = KnownThings(
            customers=frozenset({customer.id} if isinstance(customer, ExistingCustomer) else ()),
            villages=frozenset({village_id}),
            tariffs={tariff.id: tariff} if tariff else {},
            appliances={appliance.id: appliance} if appliance else {},
            serials=frozenset(),
        )
        self._keep(row, makes, prepare_registration(self._context, request, known))

    def _keep(self, row: ImportRow, makes: _RowMakes, writes: RegistrationWrites) -> None:
        self._registrations.append(writes)
        if makes.places:
            self._places |= makes.places
            self._known.places.update(makes.places)
        if makes.tariff is not None:
            self._tariffs.append(makes.tariff)
            self._known.tariffs[makes.tariff.name] = makes.tariff
        if makes.appliance is not None:
            self._appliances.append(makes.appliance)
            self._known.appliances[makes.appliance.name] = makes.appliance
        if writes.customer is not None:
            customer = KnownCustomer(
                id=writes.registered.customer_id, name=row.name, surname=row.surname
            )
            self._customers[row.phone.e164] = customer
            self._known.customers.setdefault(row.phone.e164, []).append(customer)

    def write(self, connection: Connection) -> None:
        """Write what the good rows make, sorted, so that two imports never wait in a circle.

        Raises:
            sqlalchemy.exc.IntegrityError: somebody else wrote the same meanwhile; decide again.
            CustomerDeletedError: as said.
        """
        self._keep_customers(connection)
        company, now = self._context.company, self._context.now
        for table, length in ((t.clusters, 1), (t.mini_grids, 2), (t.villages, 3)):
            _insert(connection, table, self._place_rows(length))
        tariffs = [
            tariff_rows(company, it.id, it.name, it.tariff, now) for it in _named(self._tariffs)
        ]
        _insert(connection, t.tariffs, [tariff for tariff, _ in tariffs])
        _insert(connection, t.tariff_versions, [version for _, version in tariffs])
        appliances = [
            appliance_row(company, appliance, now) for appliance in _named(self._appliances)
        ]
        _insert(connection, t.appliances, appliances)
        by_serial = sorted(self._registrations, key=lambda writes: str(writes.device["serial"]))
        insert_registrations(connection, by_serial)

    def _keep_customers(self, connection: Connection) -> None:
        """Let nobody delete the customers of the batch; payments of theirs do not wait."""
        c = t.customers.c
        owners = {writes.registered.customer_id for writes in self._registrations}
        new = {known.id for known in self._customers.values()}
        if not (wanted := owners - new):
            return
        query = sa.select(c.id).where(among(c.id, "ids"), c.deleted_at.is_(None)).order_by(c.id)
        locked = query.with_for_update(read=True, key_share=True)
        if len(connection.scalars(locked, {"ids": as_list(wanted)}).all()) < len(wanted):
            raise CustomerDeletedError

    def _place_rows(self, length: int) -> list[dict[str, object]]:
        parent = {2: "cluster_id", 3: "mini_grid_id"}.get(length)
        return [
            {
                "id": identifier,
                "company_id": self._context.company.id,
                "name": path[-1],
                "created_at": self._context.now,
                **({parent: self._known.places[path[:-1]]} if parent else {}),
            }
            for path, identifier in sorted(self._places.items())
            if len(path) == length
        ]

    def remember(self, memory: FileMemory) -> None:
        """Tell the memory what later batches must know."""
        memory.places |= self._places
        memory.tariffs |= {tariff.name: tariff for tariff in self._tariffs}
        memory.appliances |= {appliance.name: appliance for appliance in self._appliances}
        memory.remember_customers(self._customers)
        memory.remember_serials(self._serials)


def decide(
    context: RegistrationContext, known: BatchKnowledge, rows: Sequence[ImportRow]
) -> BatchDecisions:
    """Decide every row of a batch in the file's order; nothing is written."""
    decisions = BatchDecisions(context, known)
    for row in rows:
        decisions.decide(row)
    return decisions


def _named(things: Iterable[_Named]) -> list[_Named]:
    return sorted(things, key=lambda thing: thing.name)


def _insert(connection: Connection, table: sa.Table, rows: list[dict[str, object]]) -> None:
    if rows:
        connection.execute(sa.insert(table), rows)
