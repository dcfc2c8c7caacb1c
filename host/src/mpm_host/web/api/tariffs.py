"""`/tariffs`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, TypeVar

import msgspec
import sqlalchemy as sa
from msgspec import Meta
from sqlalchemy.engine import Connection

from mpm_host.access.roles import Permission
from mpm_host.database import tables as t
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.tariff_book import (
    AccessRateTerms,
    StoredTariff,
    TariffTerms,
    add_version,
    create_tariff,
    find_tariffs,
)
from mpm_host.web.api.operation import Call, Method, Operation, page_of
from mpm_host.web.api.values import (
    UNSET,
    Amount,
    Body,
    Name,
    Page,
    PageQuery,
    PricePerKwh,
    UnsetType,
    View,
)

__all__ = ["OPERATIONS"]

Value = TypeVar("Value")


class Component(Body, frozen=True, kw_only=True):
    """A further part of the price per kWh."""

    name: Name
    price_per_kwh: PricePerKwh


class AccessRate(Body, frozen=True, kw_only=True):
    """A fee that falls due every so many days, whether energy is bought or not."""

    amount: Amount
    period_days: Annotated[int, Meta(ge=1, le=3650)]


class NewTariff(Body, frozen=True, kw_only=True):
    """What a meter's energy costs."""

    name: Name
    price_per_kwh: PricePerKwh
    minimum_purchase: Amount | None = None
    components: Annotated[list[Component], Meta(max_length=50)] = msgspec.field(
        default_factory=list
    )
    access_rate: AccessRate | None = None


class TariffPatch(Body, frozen=True, kw_only=True):
    """What the next version says differently; what was sold keeps its own version."""

    price_per_kwh: PricePerKwh | UnsetType = UNSET
    minimum_purchase: Amount | UnsetType | None = UNSET
    components: Annotated[list[Component], Meta(max_length=50)] | UnsetType = UNSET
    access_rate: AccessRate | UnsetType | None = UNSET


class Tariff(View, frozen=True, kw_only=True):
    """A tariff, with the version in force."""

    id: str
    name: str
    version: int
    price_per_kwh: str
    total_price_per_kwh: str
    minimum_purchase: str
    components: list[Component]
    access_rate: AccessRate | None
    created_at: datetime


def _create(call: Call, connection: Connection) -> Tariff:
    new = call.body_as(NewTariff)
    terms = TariffTerms(
        price_per_kwh=Decimal(new.price_per_kwh),
        components=_components(new.components),
        minimum_purchase=call.money(new.minimum_purchase or "0", "minimum purchase"),
        access_rate=_access_rate(call, new.access_rate),
    )
    tariff_id = create_tariff(connection, call.company, new.name, terms, call.now)
    call.audit(connection, "tariff.created", tariff_id, after=msgspec.to_builtins(new))
    return _find(call, connection, tariff_id)


def _change(call: Call, connection: Connection) -> Tariff:
    given, tariff_id = call.body_as(TariffPatch), call.path["id"]
    before = _find(call, connection, tariff_id)
    merged = NewTariff(
        name=before.name,
        price_per_kwh=_given(given.price_per_kwh, before.price_per_kwh),
        minimum_purchase=_given(given.minimum_purchase, before.minimum_purchase),
        components=_given(given.components, before.components),
        access_rate=_given(given.access_rate, before.access_rate),
    )
    terms = TariffTerms(
        price_per_kwh=Decimal(merged.price_per_kwh),
        components=_components(merged.components),
        minimum_purchase=call.money(merged.minimum_purchase or "0", "minimum purchase"),
        access_rate=_access_rate(call, merged.access_rate),
    )
    add_version(connection, call.company, tariff_id, terms, call.now)
    after = _find(call, connection, tariff_id)
    call.audit(
        connection,
        "tariff.changed",
        tariff_id,
        before=msgspec.to_builtins(before),
        after=msgspec.to_builtins(after),
    )
    return after


def _given(value: Value | UnsetType, otherwise: Value) -> Value:
    return otherwise if isinstance(value, UnsetType) else value


def _components(parts: list[Component]) -> dict[str, Decimal]:
    prices = {part.name: Decimal(part.price_per_kwh) for part in parts}
    if len(prices) != len(parts):
        raise ServiceRefused(
            RefusalCode.TARIFF_INVALID, "Two components have the same name; name each once."
        )
    return prices


def _access_rate(call: Call, rate: AccessRate | None) -> AccessRateTerms | None:
    if rate is None:
        return None
    amount = call.money(rate.amount, "access rate")
    return AccessRateTerms(amount=amount, period_days=rate.period_days)


def _find(call: Call, connection: Connection, tariff_id: str) -> Tariff:
    found = find_tariffs(connection, call.company, ids=[tariff_id]).get(tariff_id)
    if found is None:
        raise ServiceRefused(
            RefusalCode.UNKNOWN_TARIFF, f"The company has no tariff with id {tariff_id[:64]!r}."
        )
    return _view(call, found, _created_at(connection, [tariff_id])[tariff_id])


def _created_at(connection: Connection, ids: list[str]) -> dict[str, datetime]:
    c = t.tariffs.c
    query = sa.select(c.id, c.created_at).where(c.id.in_(ids))
    return {row.id: row.created_at for row in connection.execute(query)}


def _view(call: Call, stored: StoredTariff, created_at: datetime) -> Tariff:
    tariff = stored.tariff
    rate = tariff.access_rate
    return Tariff(
        id=stored.id,
        name=stored.name,
        version=stored.version,
        price_per_kwh=f"{tariff.price_per_kwh:f}",
        total_price_per_kwh=f"{tariff.total_price:f}",
        minimum_purchase=call.written(tariff.minimum_purchase),
        components=[
            Component(name=part.name, price_per_kwh=f"{part.price_per_kwh:f}")
            for part in tariff.components
        ],
        access_rate=AccessRate(amount=call.written(rate.amount), period_days=rate.period_days)
        if rate
        else None,
        created_at=created_at,
    )


def _list(call: Call, connection: Connection) -> Page[Tariff]:
    paging = call.query_as(PageQuery)
    c = t.tariffs.c
    query = (
        sa.select(c.id)
        .where(c.company_id == call.company.id)
        .order_by(c.id.desc())
        .limit(paging.limit + 1)
    )
    if paging.cursor is not None:
        query = query.where(c.id < paging.cursor)
    ids = list(connection.scalars(query))
    found = find_tariffs(connection, call.company, ids=ids)
    created = _created_at(connection, ids)
    return page_of(
        ids, paging.limit, lambda each: _view(call, found[each], created[each]), lambda each: each
    )


def _show(call: Call, connection: Connection) -> Tariff:
    return _find(call, connection, call.path["id"])


OPERATIONS = (
    Operation(
        method=Method.POST,
        path="/tariffs",
        name="create_tariff",
        tag="tariffs",
        summary="Create a tariff for meters.",
        permission=Permission.TARIFFS_WRITE,
        body=NewTariff,
        answer=Tariff,
        status=201,
        change=_create,
    ),
    Operation(
        method=Method.GET,
        path="/tariffs",
        name="list_tariffs",
        tag="tariffs",
        summary="List the tariffs.",
        permission=Permission.TARIFFS_READ,
        query=PageQuery,
        answer=Page[Tariff],
        read=_list,
    ),
    Operation(
        method=Method.GET,
        path="/tariffs/{id}",
        name="show_tariff",
        tag="tariffs",
        summary="Show a tariff.",
        permission=Permission.TARIFFS_READ,
        answer=Tariff,
        read=_show,
    ),
    Operation(
        method=Method.PATCH,
        path="/tariffs/{id}",
        name="change_tariff",
        tag="tariffs",
        summary="Put a new version of a tariff in force.",
        details="What was sold keeps the version it was priced by. Another access rate begins "
        "today for all meters of the tariff: what the old one came to is booked, the new one first "
        "falls due one period from today. Null ends it.",
        permission=Permission.TARIFFS_WRITE,
        body=TariffPatch,
        answer=Tariff,
        change=_change,
    ),
)
