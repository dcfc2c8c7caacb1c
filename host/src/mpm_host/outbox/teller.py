"""The teller: hands what is in the outbox to the instances that listen, at least once.

Each telling is one instance's own, so one that fails or hangs keeps nobody else waiting. It is
tried again a few times; then it is set aside, noted with its payment and shown by `mpm doctor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import attrs
import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from mpm_core import MpmError, ReportReceipt
from mpm_core.company_plugins import CompanyPlugins
from mpm_host.backoff import asked_by, spread
from mpm_host.crash_points import CrashPoint, crash_point
from mpm_host.database.outbox_tables import tellings
from mpm_host.directory import InstanceRecord, InstanceState
from mpm_host.outbox.outbox import OutboxHook
from mpm_host.outbox.telling_notes import note_report, note_set_aside
from mpm_host.outbox.telling_values import TellingValues, Told, read_values
from mpm_host.resources import Resources

__all__ = ["WAITS", "Teller"]

_LOG = structlog.get_logger(__name__)
# After the first failure, the second, …; after the last of them a telling is set aside.
WAITS = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
)
_WAIT_FOR_PLUGIN = timedelta(minutes=10)


@attrs.frozen(kw_only=True)
class _Telling:
    """One row of the outbox."""

    id: str
    company_id: str
    instance_id: str
    hook: OutboxHook = attrs.field(converter=OutboxHook)
    subject_id: str
    failures: int

    @property
    def is_report(self) -> bool:
        return self.hook is OutboxHook.REPORT_PAYMENT

    @property
    def reported_id(self) -> str | None:
        """The payment a report is of, which is known before anything could be read."""
        return self.subject_id if self.is_report else None


@attrs.frozen
class Teller:
    """Works on one telling at a time; safe to use from several threads and processes.

    Args:
        resources: of the installation.
    """

    _resources: Resources

    def work_on(self, telling_id: str) -> None:
        """Tell, if that is still to be done."""
        telling = self._load(telling_id)
        if telling is None:
            return
        instance = self._resources.directory().instances.get(telling.instance_id)
        if instance is not None and instance.state is InstanceState.REMOVED:
            detail = f"Plugin instance {instance.name} was removed."
            self._set_aside(telling, detail, telling.reported_id)
        elif instance is None or not instance.finishes_work:
            self._postpone(telling)
        else:
            self._tell(telling, instance)

    def note_failure(self, telling_id: str, error: str) -> None:
        """Count a failure that is no plugin's (a bug, a row nobody can read).

        Args:
            telling_id: which.
            error: what kind; its text may hold secrets.
        """
        telling = self._load(telling_id)
        if telling is not None:
            self._fail(telling, f"Telling it failed ({error}).", telling.reported_id, None)

    def _load(self, telling_id: str) -> _Telling | None:
        c = tellings.c
        query = sa.select(
            c.id, c.company_id, c.instance_id, c.hook, c.subject_id, c.failures
        ).where(c.id == telling_id, c.next_at.is_not(None))
        with self._resources.engines.read.connect() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else _Telling(**row)

    def _tell(self, telling: _Telling, instance: InstanceRecord) -> None:
        plugins = self._resources.plugins_of(telling.company_id)
        values = self._read(telling, instance, plugins)
        if values is None:
            self._forget(telling)
            return
        correlation_id = values.payment_id or telling.subject_id
        crash_point(CrashPoint.TELLING_READ)
        try:
            answer = plugins.call_hook(
                instance.name, telling.hook.value, correlation_id, values.arguments
            )
        except MpmError as error:
            self._fail(telling, str(error), values.payment_id, asked_by(error))
        else:
            crash_point(CrashPoint.TELLING_HEARD)
            self._end(telling, values, answer)
            crash_point(CrashPoint.TELLING_NOTED)

    def _read(
        self, telling: _Telling, instance: InstanceRecord, plugins: CompanyPlugins
    ) -> TellingValues | None:
        """Read what to tell; nothing if there is nothing any more, or nobody wants to hear it."""
        if not plugins.has_hook(instance.name, telling.hook.value):
            return None
        told = Told(
            hook=telling.hook,
            company_id=telling.company_id,
            instance_id=telling.instance_id,
            subject_id=telling.subject_id,
            details_class=plugins.instance(instance.name).manifest.details_class,
        )
        with self._resources.engines.read.connect() as connection:
            return read_values(connection, told, self._resources.vault, self._resources.clock())

    # --- what came of it --------------------------------------------------------------------------

    def _end(self, telling: _Telling, values: TellingValues, answer: object) -> None:
        with self._resources.engines.write.begin() as connection:
            if isinstance(answer, ReportReceipt) and values.payment_id is not None:
                note_report(
                    connection,
                    telling.company_id,
                    values.payment_id,
                    answer,
                    self._resources.clock(),
                )
            connection.execute(sa.delete(tellings).where(tellings.c.id == telling.id))

    def _forget(self, telling: _Telling) -> None:
        with self._resources.engines.write.begin() as connection:
            connection.execute(sa.delete(tellings).where(tellings.c.id == telling.id))

    def _postpone(self, telling: _Telling) -> None:
        """Wait for an instance that cannot be called; that is no failure of telling it."""
        next_at = self._resources.clock() + spread(_WAIT_FOR_PLUGIN, self._resources.draw)
        with self._resources.engines.write.begin() as connection:
            self._update(connection, telling, next_at=next_at)

    def _fail(
        self, telling: _Telling, detail: str, payment_id: str | None, asked: timedelta | None
    ) -> None:
        if telling.failures >= len(WAITS):
            self._set_aside(telling, detail, payment_id)
            return
        wait = max(WAITS[telling.failures], asked or timedelta(0))
        next_at = self._resources.clock() + spread(wait, self._resources.draw)
        with self._resources.engines.write.begin() as connection:
            self._update(
                connection,
                telling,
                next_at=next_at,
                failures=telling.failures + 1,
                detail=detail,
            )

    def _set_aside(self, telling: _Telling, detail: str, payment_id: str | None) -> None:
        _LOG.warning("telling_set_aside", telling=telling.id, hook=telling.hook.value)
        changes: Mapping[str, object] = {"next_at": None, "failures": telling.failures + 1}
        with self._resources.engines.write.begin() as connection:
            if not self._update(connection, telling, detail=detail, **changes):
                return
            if payment_id is not None:
                note_set_aside(
                    connection,
                    telling.company_id,
                    payment_id,
                    f"{telling.hook}: {detail}",
                    self._resources.clock(),
                    needs_person=telling.is_report,
                )

    def _update(self, connection: Connection, telling: _Telling, **values: object) -> bool:
        """Write to a telling unless another worker was faster; tell whether it was ours."""
        c = tellings.c
        updated = connection.execute(
            sa.update(tellings)
            .where(c.id == telling.id, c.failures == telling.failures, c.next_at.is_not(None))
            .values(**values)
        )
        return updated.rowcount == 1
