"""Whether a row means what is there already: the same customer, device and tariff."""

from __future__ import annotations

from mpm_core import Money
from mpm_host.identifiers import new_identifier
from mpm_host.imports.import_lookup import KnownDevice
from mpm_host.imports.import_memory import KnownCustomer
from mpm_host.imports.import_rows import ImportRow, NamedTariff
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.tariff_book import AccessRateTerms, StoredTariff, TariffTerms, read_terms

__all__ = ["check_same_device", "check_same_tariff", "new_tariff", "same_name"]


def same_name(candidate: KnownCustomer, row: ImportRow) -> bool:
    """Compare names as people do: neither case nor blanks matter."""
    known, said = (candidate.name, candidate.surname), (row.name, row.surname)
    return [_plain(name) for name in known] == [_plain(name) for name in said]


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


def check_same_device(row: ImportRow, device: KnownDevice, village_id: str) -> None:
    """Refuse a row whose device exists otherwise than it says."""
    said = {
        "kind": (device.kind, row.kind.value),
        "manufacturer": (device.manufacturer, row.manufacturer),
        "customer": (device.phone, row.phone.e164),
        "village": (device.village_id, village_id),
        "tariff": (device.tariff, row.tariff.name if row.tariff else None),
        "appliance": (device.appliance, row.appliance),
        "plan": (device.has_plan or row.terms is None, True),
    }
    different = [name for name, (stored, named) in said.items() if stored != named]
    if different:
        raise ServiceRefused(
            RefusalCode.DUPLICATE_SERIAL,
            f"The company has a device {row.serial!r} already, with another {different[0]}; an "
            "import changes nothing that is there.",
        )


def check_same_tariff(named: NamedTariff, known: StoredTariff, currency: str) -> None:
    """Refuse a row that says something else of a tariff than what is stored."""
    rate = known.tariff.access_rate
    amount = Money(rate.amount if rate else 0, currency)
    said = {
        "price": (named.price, known.tariff.price_per_kwh),
        "access rate": (named.access_rate, amount),
        "access period": (named.access_period_days, rate.period_days if rate else None),
        "minimum purchase": (
            named.minimum_purchase, Money(known.tariff.minimum_purchase, currency),
        ),
    }  # fmt: skip
    for what, (given, stored) in said.items():
        if given is not None and given != stored:
            raise ServiceRefused(
                RefusalCode.TARIFF_DIFFERS,
                f"Tariff {named.name!r} has {what} {stored}, not {given}; an import changes no "
                "tariff, so correct the row or name a new one.",
            )


def new_tariff(named: NamedTariff, currency: str) -> StoredTariff:
    """Return the tariff a row names for the first time."""
    if named.price is None:
        raise ServiceRefused(
            RefusalCode.VALUE_MISSING,
            f"Tariff {named.name!r} is new; fill in tariff_price.",
        )
    access_rate = None
    if named.access_rate is not None and named.access_period_days is not None:
        access_rate = AccessRateTerms(
            amount=named.access_rate, period_days=named.access_period_days
        )
    terms = TariffTerms(
        price_per_kwh=named.price,
        minimum_purchase=named.minimum_purchase,
        access_rate=access_rate,
    )
    tariff = read_terms(terms, currency)
    return StoredTariff(id=new_identifier(), name=named.name, version=1, tariff=tariff)
