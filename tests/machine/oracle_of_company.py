"""The model of the company that every run begins with, read from its tables once."""

from __future__ import annotations

from mpm_core.allocation import Target
from mpm_host.payments.customer_accounts import load_accounts
from tests.machine.oracle import Meter, Oracle
from tests.machine.oracle_of_staff import BikeModel

__all__ = ["SERIALS", "oracle_of"]

SERIALS = ("47001", "47002", "47003", "12345678", "BIKE0001")


def oracle_of(real):
    """Return the model of a company as it was registered."""
    company, directory = real.company, real.host.house.directory
    with real.host.engines.read.connect() as connection:
        keys = [(company.id, serial) for serial in SERIALS]
        owners, found = load_accounts(connection, directory, keys, real.now, lock=False)
    devices = {s: one for account in found.values() for s, one in account.devices.items()}
    return Oracle(
        accounts={name: one.account for name, one in found.items()},
        owners={serial: owner for (_, serial), owner in owners.items()},
        targets={
            serial: Target(serial=serial, kind=one.kind, tariff=one.tariff,
                           energy_step=100 if one.tariff else None)
            for serial, one in devices.items()
        },
        makers={
            serial: directory.instances[one.instance_id].name for serial, one in devices.items()
        },
        meters={
            serial: Meter(
                owners[company.id, serial], one.tariff.access_rate.amount,
                one.tariff.access_rate.period_days, one.access_due_on,
            )
            for serial, one in devices.items() if one.tariff and one.tariff.access_rate
        },
        bikes={"BIKE0001": BikeModel()},
        now=real.now,
        zone=company.zone,
    )  # fmt: skip
