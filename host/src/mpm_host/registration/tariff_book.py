"""Tariffs and their versions: what a meter's energy costs, kept as it was when it was sold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import Money
from mpm_core.tariffs import AccessRate, PriceComponent, Tariff
from mpm_host.database import tables as t
from mpm_host.directory import CompanyRecord
from mpm_host.identifiers import new_identifier
from mpm_host.payments.account_rows import tariff_from_row
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.access_rates import restart_access_rates
from mpm_host.registration.inputs import check_amount_given, read_name

__all__ = [
    "AccessRateTerms",
    "StoredTariff",
    "TariffTerms",
    "add_version",
    "create_tariff",
    "find_tariffs",
    "keep_versions",
    "read_terms",
    "tariff_rows",
]

_LONGEST_PERIOD_DAYS = 3650  # ten years; more is a typing error


@attrs.frozen(kw_only=True)
class AccessRateTerms:
    """A fee that becomes a debt every so many days."""

    amount: Money
    period_days: int


@attrs.frozen(kw_only=True)
class TariffTerms:
    """What a tariff says.

    Attributes:
        price_per_kwh: major units, at most 6 decimals.
        components: further parts of the price, by name.
        minimum_purchase: less than this buys no energy; `None` means any amount may be paid.
        access_rate: the recurring fee, if there is one.
    """

    price_per_kwh: Decimal
    components: Mapping[str, Decimal] = attrs.field(factory=dict)
    minimum_purchase: Money | None = None
    access_rate: AccessRateTerms | None = None


@attrs.frozen(kw_only=True)
class StoredTariff:
    """A tariff with the version in force."""

    id: str
    name: str
    version: int
    tariff: Tariff

    @property
    def access_period_days(self) -> int | None:
        """Days from one access-rate boundary to the next; `None` without an access rate."""
        return self.tariff.access_rate.period_days if self.tariff.access_rate else None


def create_tariff(
    connection: Connection, company: CompanyRecord, name: str, terms: TariffTerms, now: datetime
) -> str:
    """Create a tariff with its first version and return its id.

    Raises:
        ServiceRefused: the name is empty or taken, or a price is none.
    """
    tariff = read_terms(terms, company.company.currency)
    tariff_id = new_identifier()
    rows = tariff_rows(company, tariff_id, read_name(name, "tariff"), tariff, now)
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(t.tariffs), [rows[0]])
    except sa.exc.IntegrityError:
        raise ServiceRefused(
            RefusalCode.NAME_TAKEN,
            f"The company has a tariff {name.strip()!r} already; change that one or choose another "
            "name.",
        ) from None
    connection.execute(sa.insert(t.tariff_versions), [rows[1]])
    return tariff_id


def add_version(
    connection: Connection,
    company: CompanyRecord,
    tariff_id: str,
    terms: TariffTerms,
    now: datetime,
) -> int:
    """Put new terms in force from now on and return the version's number.

    What was sold keeps the version it was sold by. Another access rate begins today for every meter
    of the tariff: what the old one came to until now is booked, its period under way is nobody's,
    and the new one first falls due one period from today. Without an access rate accrual ends.

    Raises:
        ServiceRefused: the tariff is unknown, or a price is none.
        AccountMovedError: a meter changed its owner at this very moment; try again.
    """
    tariff = read_terms(terms, company.company.currency)
    c = t.tariffs.c
    lock = sa.select(c.id).where(c.company_id == company.id, c.id == tariff_id)
    connection.execute(lock.with_for_update())
    current = find_tariffs(connection, company, ids=[tariff_id]).get(tariff_id)
    if current is None:
        raise ServiceRefused(
            RefusalCode.UNKNOWN_TARIFF, f"The company has no tariff with id {tariff_id[:64]!r}."
        )
    if current.tariff.access_rate != tariff.access_rate:
        restart_access_rates(
            connection,
            company,
            tariff_id,
            old=current.tariff.access_rate,
            new=tariff.access_rate,
            today=company.today(now),
        )
    version = current.version + 1
    row = _version_row(company, tariff_id, version, tariff, now)
    connection.execute(sa.insert(t.tariff_versions), [row])
    connection.execute(
        sa.update(t.tariffs).where(t.tariffs.c.id == tariff_id).values(version=version)
    )
    return version


def keep_versions(
    connection: Connection,
    company: CompanyRecord,
    *,
    ids: Iterable[str] = (),
    names: Iterable[str] = (),
) -> None:
    """Keep tariffs at their versions until the caller's transaction ends.

    Whoever gives a meter a tariff takes this before anything else, customers included: a change of
    the access rate at the same moment must either find the meter or be found by it.
    """
    c = t.tariffs.c
    wanted = sa.or_(c.id.in_(sorted(set(ids))), c.name.in_(sorted(set(names))))
    query = sa.select(c.id).where(c.company_id == company.id, wanted).order_by(c.id)
    connection.execute(query.with_for_update(read=True))


def find_tariffs(
    connection: Connection,
    company: CompanyRecord,
    *,
    ids: Iterable[str] = (),
    names: Iterable[str] = (),
) -> Mapping[str, StoredTariff]:
    """Return the company's tariffs of some ids or names, by id; unknown ones are absent."""
    wanted = sa.or_(t.tariffs.c.id.in_(sorted(set(ids))), t.tariffs.c.name.in_(sorted(set(names))))
    version = t.tariff_versions.c
    query = (
        sa.select(
            t.tariffs.c.id, t.tariffs.c.name, t.tariffs.c.version, version.id.label("version_id"),
            version.price_per_kwh, version.components, version.minimum_purchase,
            version.access_amount, version.access_period_days,
        )
        .join(
            t.tariff_versions,
            sa.and_(version.tariff_id == t.tariffs.c.id, version.version == t.tariffs.c.version),
        )
        .where(t.tariffs.c.company_id == company.id, wanted)
    )  # fmt: skip
    return {
        row.id: StoredTariff(
            id=row.id,
            name=row.name,
            version=row.version,
            tariff=tariff_from_row(row),
        )
        for row in connection.execute(query)
    }


def read_terms(terms: TariffTerms, currency: str) -> Tariff:
    """Check terms and return them as the money rules' tariff, whose version has no name yet.

    Raises:
        ServiceRefused: a price, amount or period is none.
    """
    minimum = terms.minimum_purchase or Money.zero(currency)
    try:
        return Tariff(
            version="",
            price_per_kwh=terms.price_per_kwh,
            components=tuple(
                PriceComponent(name=read_name(name, "price component"), price_per_kwh=price)
                for name, price in terms.components.items()
            ),
            minimum_purchase=check_amount_given(minimum, currency, "minimum purchase"),
            access_rate=_read_access_rate(terms.access_rate, currency),
        )
    except ValueError as error:
        raise ServiceRefused(RefusalCode.TARIFF_INVALID, f"The tariff is wrong: {error}") from None


def _read_access_rate(terms: AccessRateTerms | None, currency: str) -> AccessRate | None:
    if terms is None:
        return None
    amount = check_amount_given(terms.amount, currency, "access rate")
    if not 1 <= terms.period_days <= _LONGEST_PERIOD_DAYS:
        raise ServiceRefused(
            RefusalCode.TARIFF_INVALID,
            f"The access rate's period is {terms.period_days} days; write 1 to "
            f"{_LONGEST_PERIOD_DAYS}.",
        )
    # A fee of nothing is no fee: the tables know it by its amount.
    return AccessRate(amount=amount, period_days=terms.period_days) if amount else None


def tariff_rows(
    company: CompanyRecord, tariff_id: str, name: str, tariff: Tariff, now: datetime
) -> tuple[dict[str, object], dict[str, object]]:
    """Return the rows of a new tariff and of its first version."""
    row = {
        "id": tariff_id,
        "company_id": company.id,
        "name": name,
        "version": 1,
        "created_at": now,
    }
    return row, _version_row(company, tariff_id, 1, tariff, now)


def _version_row(
    company: CompanyRecord, tariff_id: str, version: int, tariff: Tariff, now: datetime
) -> dict[str, object]:
    rate = tariff.access_rate
    return {
        "id": new_identifier(),
        "company_id": company.id,
        "tariff_id": tariff_id,
        "version": version,
        "price_per_kwh": f"{tariff.price_per_kwh:f}",
        "components": [
            {"name": part.name, "price_per_kwh": f"{part.price_per_kwh:f}"}
            for part in tariff.components
        ],
        "minimum_purchase": tariff.minimum_purchase,
        "access_amount": rate.amount if rate else None,
        "access_period_days": rate.period_days if rate else None,
        "created_at": now,
    }
