"""One row of an import file as typed values; what it says wrongly is refused here.

Nothing is looked up: names stay names. An empty cell says nothing. Rows of one file name the same
places, tariffs and terms again and again, so these are read once for many rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar

import attrs

from mpm_core import DeviceKind, Money, Msisdn
from mpm_core.plans import Period
from mpm_host.directory import CompanyRecord
from mpm_host.imports.import_details import details_in
from mpm_host.imports.import_reader import FileShape, RawRow
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.inputs import read_name, read_phone, read_serial
from mpm_host.registration.plan_terms import PlanTerms

__all__ = ["ImportRow", "NamedTariff", "PlacePath", "read_row"]

PlacePath = tuple[str, ...]  # cluster; cluster and mini-grid; or these and the village

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_PRICE = re.compile(r"\d{1,12}(\.\d{1,6})?", re.ASCII)
_COUNT = re.compile(r"\d{1,6}", re.ASCII)
_OF_A_PLACE = ("cluster", "mini_grid", "village")
_OF_A_TARIFF = ("tariff_price", "access_rate", "access_period_days", "minimum_purchase")
_WAYS_TO_PAY = ("cost", "instalments", "instalment_cost", "price_per_day")
_OF_A_SALE = ("period", "first_due_on")
_SHOWN = 40  # characters of a wrong cell that enter a message
_REMEMBERED = 1024  # places, tariffs and terms
_Word = TypeVar("_Word", bound=StrEnum)
_Read = TypeVar("_Read")


@attrs.frozen(kw_only=True)
class NamedTariff:
    """A tariff by its name, with what the row says of it; `None` where it says nothing."""

    name: str
    price: Decimal | None
    access_rate: Money | None
    access_period_days: int | None
    minimum_purchase: Money | None


@attrs.frozen(kw_only=True)
class ImportRow:
    """What one row says."""

    number: int
    place: PlacePath
    name: str
    surname: str
    phone: Msisdn
    kind: DeviceKind
    serial: str
    manufacturer: str
    tariff: NamedTariff | None
    appliance: str | None
    terms: PlanTerms | None
    registered_on: date | None
    details: Mapping[str, str] = attrs.field(factory=dict, repr=False)


def read_row(raw: RawRow, company: CompanyRecord, shape: FileShape) -> ImportRow:
    """Read a row.

    Args:
        raw: its texts.
        company: gives country and currency.
        shape: of its file.

    Raises:
        ServiceRefused: the first cell that cannot be right.
    """
    if raw.count != len(shape.header):
        raise ServiceRefused(
            RefusalCode.COLUMNS_INVALID,
            f"The row has {raw.count} cells, the header {len(shape.header)}; add or remove some.",
        )
    cells = _Cells(texts=raw.cells, currency=company.company.currency)
    registered_on = cells.day("registered_on")
    return ImportRow(
        number=raw.number,
        place=cells.repeated(_place, _OF_A_PLACE),
        name=cells.name("name"),
        surname=cells.name("surname"),
        phone=read_phone(cells.required("phone"), company.company.country),
        kind=cells.word("device_kind", DeviceKind),
        serial=read_serial(cells.required("serial")),
        manufacturer=cells.required("manufacturer"),
        tariff=cells.repeated(_tariff, ("tariff", *_OF_A_TARIFF)),
        appliance=cells.name("appliance") if cells.text("appliance") else None,
        terms=cells.repeated(_terms, (*_WAYS_TO_PAY, *_OF_A_SALE)),
        registered_on=registered_on,
        details=details_in(raw.cells, shape.details),
    )


def _place(cells: _Cells) -> PlacePath:
    return cells.name("cluster"), cells.name("mini_grid"), cells.name("village")


def _tariff(cells: _Cells) -> NamedTariff | None:
    if not cells.text("tariff"):
        cells.refuse_all(_OF_A_TARIFF, "there is no tariff in this row")
        return None
    rate, period = cells.money("access_rate"), cells.count("access_period_days")
    if (rate is None) != (period is None):
        raise ServiceRefused(
            RefusalCode.TARIFF_INVALID,
            "access_rate and access_period_days belong together; fill both or none.",
        )
    return NamedTariff(
        name=cells.name("tariff"),
        price=cells.price("tariff_price"),
        access_rate=rate,
        access_period_days=period,
        minimum_purchase=cells.money("minimum_purchase"),
    )


def _terms(cells: _Cells) -> PlanTerms | None:
    if not cells.have_any(_WAYS_TO_PAY):
        cells.refuse_all(_OF_A_SALE, "there is no sale in this row")
        return None
    return PlanTerms(
        cost=cells.money("cost"),
        instalments=cells.count("instalments"),
        instalment_cost=cells.money("instalment_cost"),
        price_per_day=cells.money("price_per_day"),
        period=cells.word("period", Period) if cells.text("period") else Period.MONTHLY,
        first_due_on=cells.day("first_due_on"),
    )


@attrs.frozen(kw_only=True)
class _Cells:
    """Reads the cells of one row by column."""

    texts: Mapping[str, str]
    currency: str

    def text(self, column: str) -> str:
        return self.texts.get(column, "")

    def required(self, column: str) -> str:
        text = self.text(column)
        if not text:
            raise ServiceRefused(RefusalCode.VALUE_MISSING, f"{column} is empty; fill it in.")
        return text

    def name(self, column: str) -> str:
        return read_name(self.required(column), column)

    def word(self, column: str, words: type[_Word]) -> _Word:
        text = self.required(column).lower()
        try:
            return words(text)
        except ValueError:
            raise ServiceRefused(
                RefusalCode.KIND_INVALID,
                f"{column} is {text[:_SHOWN]!r}; write {', '.join(words)}.",
            ) from None

    def money(self, column: str) -> Money | None:
        text = self.text(column)
        if not text:
            return None
        try:
            return Money.parse(text, self.currency)
        except ValueError as error:
            raise ServiceRefused(
                RefusalCode.AMOUNT_INVALID, f"{column} cannot be used: {error}"
            ) from None

    def price(self, column: str) -> Decimal | None:
        text = self.text(column)
        if text and not _PRICE.fullmatch(text):
            raise ServiceRefused(
                RefusalCode.TARIFF_INVALID,
                f"{column} is {text[:_SHOWN]!r}; write digits such as 1500 or 0.25.",
            )
        return Decimal(text) if text else None

    def count(self, column: str) -> int | None:
        text = self.text(column)
        if text and not _COUNT.fullmatch(text):
            raise ServiceRefused(
                RefusalCode.TERMS_INVALID,
                f"{column} is {text[:_SHOWN]!r}; write a whole number such as 12.",
            )
        return int(text) if text else None

    def day(self, column: str) -> date | None:
        text = self.text(column)
        if not text:
            return None
        try:
            return date.fromisoformat(text) if _DAY.fullmatch(text) else _no_day(text)
        except ValueError:
            raise ServiceRefused(
                RefusalCode.DATE_INVALID,
                f"{column} is {text[:_SHOWN]!r}; write a day such as 2026-03-01.",
            ) from None

    def repeated(self, read: Callable[[_Cells], _Read], columns: tuple[str, ...]) -> _Read:
        """Read some columns, unless a row before had the same texts in them."""
        said = tuple(map(self.texts.get, columns))
        meant: _Read = _read_once(read, columns, said, self.currency)
        return meant

    def have_any(self, columns: tuple[str, ...]) -> bool:
        return not self.texts.keys().isdisjoint(columns)

    def refuse_all(self, columns: tuple[str, ...], because: str) -> None:
        """Refuse cells that would be silently without effect."""
        if not self.have_any(columns):
            return
        for column in columns:
            if self.text(column):
                raise ServiceRefused(
                    RefusalCode.TERMS_INVALID, f"{column} is given, but {because}; empty it."
                )


def _no_day(text: str) -> date:
    raise ValueError(text)


@lru_cache(maxsize=_REMEMBERED)
def _read_once(
    read: Callable[[_Cells], _Read],
    columns: tuple[str, ...],
    said: tuple[str | None, ...],
    currency: str,
) -> _Read:
    pairs = zip(columns, said, strict=True)
    return read(_Cells(texts={name: text for name, text in pairs if text}, currency=currency))
