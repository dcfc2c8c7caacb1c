"""What this process counts, for Prometheus.

Labels name companies and instances, never a serial, a phone number or a payment: those are personal
and without end. Counting touches memory alone, so it slows no payment down.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.registry import Collector

from mpm_core import Decision
from mpm_host.directory import Directory, InstanceRecord
from mpm_host.orders.order_rules import Step
from mpm_host.orders.order_store import OrderRecord

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_CALL_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_TOKEN_BUCKETS = (0.5, 1, 2, 5, 10, 20, 40, 60, 120, 300, 600, 3600, 86_400)
_WHOSE = ("company", "instance")


class Metrics:
    """The counters of one process, and what else is read when somebody asks.

    Args:
        directory: returns companies and instances as they are now.
        clock: tells how old a token is when it is issued.
    """

    def __init__(
        self, *, directory: Callable[[], Directory], clock: Callable[[], datetime]
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._registry = CollectorRegistry()
        self._accepts = Counter(
            "mpm_payments_accepted",
            "Process calls of telecoms answered with yes.",
            _WHOSE,
            registry=self._registry,
        )
        self._calls = Counter(
            "mpm_calls",
            "Inbound calls by what they ask and what was decided.",
            (*_WHOSE, "kind", "decision"),
            registry=self._registry,
        )
        self._call_seconds = Histogram(
            "mpm_call_seconds",
            "From an inbound call to its answer.",
            (*_WHOSE, "kind"),
            buckets=_CALL_BUCKETS,
            registry=self._registry,
        )
        self._attempts = Counter(
            "mpm_attempts",
            "Attempts to have a manufacturer make a token, by what came of them.",
            (*_WHOSE, "outcome"),
            registry=self._registry,
        )
        self._steps = Counter(
            "mpm_order_steps",
            "Steps of orders, by the status they led to.",
            (*_WHOSE, "status"),
            registry=self._registry,
        )
        self._token_seconds = Histogram(
            "mpm_token_seconds",
            "From an accepted payment, or a person's order, to its token.",
            _WHOSE,
            buckets=_TOKEN_BUCKETS,
            registry=self._registry,
        )
        self._messages = Counter(
            "mpm_messages",
            "Messages to customers, by what became of them; not_sent are tries to be made again.",
            ("company", "status"),
            registry=self._registry,
        )

    def add(self, collector: Collector) -> None:
        """Let something else be read, too, whenever somebody asks."""
        self._registry.register(collector)

    def text(self) -> bytes:
        """Return everything as Prometheus reads it."""
        return generate_latest(self._registry)

    def note_call(
        self, instance: InstanceRecord, kind: str, decision: Decision, seconds: float
    ) -> None:
        """An inbound call was answered."""
        whose = (self._slug(instance.company_id), instance.name)
        self._calls.labels(*whose, kind, decision.value).inc()
        self._call_seconds.labels(*whose, kind).observe(seconds)
        if decision is Decision.ACCEPTED:
            self._accepts.labels(*whose).inc()

    def note_step(self, order: OrderRecord, step: Step) -> None:
        """A step of an order was written."""
        record = self._directory().instances.get(order.instance_id)
        whose = (self._slug(order.company_id), record.name if record else "")
        self._steps.labels(*whose, step.status.value).inc()
        if step.outcome is not None:
            self._attempts.labels(*whose, step.outcome.value).inc()
        if step.grant is not None:
            seconds = (self._clock() - order.created_at).total_seconds()
            self._token_seconds.labels(*whose).observe(seconds)

    def note_message(self, company_id: str, status: str) -> None:
        """A message was sent, given up or reported on by the gateway, or a try of it failed."""
        self._messages.labels(self._slug(company_id), status).inc()

    def _slug(self, company_id: str) -> str:
        record = self._directory().companies.get(company_id)
        return record.company.slug if record else ""
