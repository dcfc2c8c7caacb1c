"""What the database says of the work that waits, read when somebody asks for metrics.

Only what is open or waits for a person is read, by partial indexes of just that, so the cost does
not grow with the history. An answer is kept for some seconds: however many ask, the database is
asked once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.engine import Connection, Engine

from mpm_host.database import tables as t
from mpm_host.database.columns import as_indexed
from mpm_host.directory import Directory
from mpm_host.monitoring.bounded_call import BoundedCall, StillRunningError
from mpm_host.work_sources import oldest_due

__all__ = ["DatabaseGauges"]

_LOG = structlog.get_logger(__name__)
_KEPT_SECONDS = 5.0
_PATIENCE_SECONDS = 3.0
# Upper bounds of how long nobody has known whether a token exists.
_AGES = (
    ("1m", timedelta(minutes=1)),
    ("10m", timedelta(minutes=10)),
    ("1h", timedelta(hours=1)),
    ("6h", timedelta(hours=6)),
    ("24h", timedelta(hours=24)),
)


class DatabaseGauges(Collector):
    """Reads what waits; a database that does not answer is itself a fact worth telling.

    Args:
        engine: to read with.
        clock: decides how old things are.
        directory: names companies and instances.
        monotonic: seconds.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        clock: Callable[[], datetime],
        directory: Callable[[], Directory],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._directory = directory
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: tuple[float, Sequence[Metric]] | None = None
        self._reading = BoundedCall(self._read, name="gauges", seconds=_PATIENCE_SECONDS)

    def describe(self) -> Iterable[Metric]:
        """Say nothing beforehand: the database need not be there yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Return what waits, at most some seconds old."""
        with self._lock:
            if self._kept is None or self._monotonic() - self._kept[0] > _KEPT_SECONDS:
                read = self._read_or_none()
                self._kept = (self._monotonic(), read)  # old from now on, however long it took
            yield from self._kept[1]

    def _read_or_none(self) -> Sequence[Metric]:
        up = GaugeMetricFamily("mpm_database_up", "1 if the database answers.")
        try:
            read = self._reading()
        except (sa.exc.SQLAlchemyError, StillRunningError) as error:
            _LOG.warning("gauges_unread", error=type(error).__name__)
            read = []
            up.add_metric((), 0)
        else:
            up.add_metric((), 1)
        return [up, *read]

    def _read(self) -> list[Metric]:
        now = self._clock()
        with self._engine.connect() as connection:
            return [
                *self._orders(connection, now),
                *self._messages(connection, now),
                self._lag(connection, now),
                self._people(connection),
            ]

    def _orders(self, connection: Connection, now: datetime) -> list[Metric]:
        whose = ("company", "instance")
        count = GaugeMetricFamily(
            "mpm_open_orders", "Orders that have not ended.", labels=(*whose, "status")
        )
        oldest = GaugeMetricFamily(
            "mpm_oldest_open_order_seconds",
            "Age of the oldest order that has not ended.",
            labels=(*whose, "status"),
        )
        unknown = GaugeMetricFamily(
            "mpm_unknown_orders",
            "Orders of which nobody knows whether a token exists, by how long that is so.",
            labels=(*whose, "age"),
        )
        ages: dict[tuple[str, str, str], int] = {}
        for row in connection.execute(_open_orders(now)):
            labels = self._whose(row.company_id, row.instance_id)
            count.add_metric((*labels, row.status), row.number)
            oldest.add_metric((*labels, row.status), (now - row.oldest).total_seconds())
            for name, number in _by_age(row):
                ages[*labels, name] = ages.get((*labels, name), 0) + number
        for key, number in ages.items():
            unknown.add_metric(key, number)
        return [count, oldest, unknown]

    def _messages(self, connection: Connection, now: datetime) -> list[Metric]:
        count = GaugeMetricFamily(
            "mpm_queued_messages", "Messages that are not sent yet.", labels=("company",)
        )
        oldest = GaugeMetricFamily(
            "mpm_oldest_queued_message_seconds",
            "Age of the oldest message that is not sent yet.",
            labels=("company",),
        )
        for row in connection.execute(_QUEUED_MESSAGES):
            company = self._company(row.company_id)
            count.add_metric((company,), row.number)
            oldest.add_metric((company,), (now - row.oldest).total_seconds())
        return [count, oldest]

    def _lag(self, connection: Connection, now: datetime) -> Metric:
        lag = GaugeMetricFamily(
            "mpm_relay_lag_seconds",
            "For how long the oldest due work has not been handed to a worker.",
            labels=("queue",),
        )
        for row in connection.execute(oldest_due()):
            late = (now - row.since).total_seconds() if row.since else 0.0
            lag.add_metric((row.kind,), max(0.0, late))
        return lag

    def _people(self, connection: Connection) -> Metric:
        waiting = GaugeMetricFamily(
            "mpm_payments_for_a_person",
            "Payments that go on only when a person decides.",
            labels=("company", "status"),
        )
        for row in connection.execute(_PAYMENTS_FOR_A_PERSON):
            waiting.add_metric((self._company(row.company_id), row.status), row.number)
        return waiting

    def _whose(self, company_id: str, instance_id: str) -> tuple[str, str]:
        record = self._directory().instances.get(instance_id)
        return self._company(company_id), record.name if record else ""

    def _company(self, company_id: str) -> str:
        record = self._directory().companies.get(company_id)
        return record.company.slug if record else ""


def _open_orders(now: datetime) -> sa.Select[Any]:
    o = t.orders.c
    younger = [
        sa.func.count(sa.case((o.unknown_since > now - age, 1))).label(f"under_{name}")
        for name, age in _AGES
    ]
    return (
        sa.select(
            o.company_id,
            o.instance_id,
            o.status,
            sa.func.count().label("number"),
            sa.func.min(o.created_at).label("oldest"),
            sa.func.count(o.unknown_since).label("unknown"),
            *younger,
        )
        .where(o.finished_at.is_(None))
        .group_by(o.company_id, o.instance_id, o.status)
    )


def _by_age(row: sa.Row[Any]) -> Iterator[tuple[str, int]]:
    """Turn what is younger than each bound into what lies between two."""
    before = 0
    for name, _ in _AGES:
        younger = getattr(row, f"under_{name}")
        yield f"under {name}", younger - before
        before = younger
    yield "over 24h", row.unknown - before


_M = t.messages.c
_QUEUED_MESSAGES = (
    sa.select(
        _M.company_id,
        sa.func.count().label("number"),
        sa.func.min(_M.created_at).label("oldest"),
    )
    .where(_M.status == sa.text("'queued'"))  # as the partial index has it
    .group_by(_M.company_id)
)
_P = t.payments.c
_STANDING = sa.case((_P.disputed, sa.literal_column("'disputed'")), else_=_P.status)
_PAYMENTS_FOR_A_PERSON = (
    sa.select(_P.company_id, _STANDING.label("status"), sa.func.count().label("number"))
    .where(as_indexed(_P.needs_person))
    .group_by(_P.company_id, _STANDING)
)
