"""Accrual of access rates by a worker: every boundary that has come becomes a debt of its own.

Payments accrue their customer's meters themselves; this is for everybody who does not pay, so that
lists and reports are true. Running it twice, or beside payments, changes nothing twice: the
device's next boundary moves in the same transaction, under the customer's lock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from mpm_host.clock import Clock
from mpm_host.crash_points import CrashPoint, crash_point
from mpm_host.database import tables as t
from mpm_host.database.engines import Engines
from mpm_host.directory import Directory
from mpm_host.payments.customer_accounts import AccountMovedError, DeviceKey, load_accounts
from mpm_host.payments.ledger import account_changes
from mpm_host.poison_work import is_database_fault

__all__ = ["AccessAccrual"]

_Keys = Sequence[tuple[str, DeviceKey]]  # device ids, and how their accounts are asked for
_LOG = structlog.get_logger(__name__)
_BATCH = 200
_FURTHEST_ZONE = timedelta(hours=14)  # no company's date is later than this zone's
_ACCESS_DUE_UPDATE = (
    sa.update(t.devices)
    .where(t.devices.c.id == sa.bindparam("key_id"))
    .values(access_due_on=sa.bindparam("new_due_on"))
)


class AccessAccrual:
    """Accrues what has fallen due, in batches.

    Args:
        engines: of the database.
        clock: decides every company's date.
        directory: returns companies as they are now.
    """

    def __init__(
        self, *, engines: Engines, clock: Clock, directory: Callable[[], Directory]
    ) -> None:
        self._engines = engines
        self._clock = clock
        self._directory = directory

    def run(self) -> int:
        """Accrue until nothing is due; returns how many debts were made."""
        made, after = 0, ""
        while keys := self._due(after):
            after = max(device_id for device_id, _ in keys)
            made += self._accrue_batch(keys)
        return made

    def _accrue_batch(self, keys: _Keys) -> int:
        """Accrue some meters in a transaction; of those that fail together, each in its own."""
        try:
            with self._engines.write.begin() as connection:
                made = self._accrue(connection, [key for _, key in keys])
                crash_point(CrashPoint.ACCRUAL_WRITTEN)
        except AccountMovedError:
            return 0  # a device of these changed hands just now; the next run finds them due
        except Exception as error:
            if is_database_fault(error):
                raise
            if len(keys) > 1:
                return sum(self._accrue_batch([key]) for key in keys)
            # Only the kind of error: a database error's text repeats what the row holds.
            _LOG.error("accrual_failed", device=keys[0][0], error=type(error).__name__)
            return 0
        crash_point(CrashPoint.ACCRUAL_COMMITTED)
        return made

    def _due(self, after: str) -> _Keys:
        """Return meters whose boundary may have come, in the order of their ids."""
        d = t.devices.c
        latest_date = (self._clock() + _FURTHEST_ZONE).date()
        query = (
            sa.select(d.id, d.company_id, d.serial)
            .where(d.access_due_on <= latest_date, d.customer_id.is_not(None), d.id > after)
            .order_by(d.id)
            .limit(_BATCH)
        )
        with self._engines.read.connect() as connection:
            return [(row.id, (row.company_id, row.serial)) for row in connection.execute(query)]

    def _accrue(self, connection: Connection, keys: list[DeviceKey]) -> int:
        _, accounts = load_accounts(connection, self._directory(), keys, self._clock(), lock=True)
        debts: list[dict[str, object]] = []
        boundaries: list[dict[str, object]] = []
        for account in accounts.values():
            currency = account.account.currency
            changes = account_changes(account, account.account, account.company.id, currency)
            debts += changes.new_access_debts
            boundaries += changes.access_due
        if debts:
            connection.execute(sa.insert(t.access_debts), debts)
        if boundaries:
            connection.execute(_ACCESS_DUE_UPDATE, boundaries)
        return len(debts)
