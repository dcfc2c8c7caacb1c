"""The message sender: hands queued messages to the company's SMS gateway, at least once.

A company without a messenger plugin has its messages stored: they can be read with `mpm messages`
and are marked sent. Where it has one that does not work, they wait for it. What a failed try makes
of a message is decided by `message_rules`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import attrs
import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from mpm_core import (
    DeliveryReport,
    Message,
    MessageReceipt,
    MessageStatus,
    MpmError,
    Msisdn,
    NotSent,
    PluginKind,
)
from mpm_host.crash_points import CrashPoint, crash_point
from mpm_host.database import tables as t
from mpm_host.directory import InstanceRecord, InstanceState
from mpm_host.messages.delivery_reports import keep_report, take_report
from mpm_host.messages.message_rules import (
    MessageFacts,
    MessageStep,
    after_failure,
    after_fault,
)
from mpm_host.messages.receipts import believed, believed_reference
from mpm_host.outbox.outbox import Fact, OutboxHook, tell
from mpm_host.resources import Resources

__all__ = ["MessageSender"]

_LOG = structlog.get_logger(__name__)
_NOT_SENT = "not_sent"  # of a try, to be counted; the message is still queued
_STORED = MessageReceipt()


@attrs.frozen(kw_only=True)
class _Waiting:
    """A queued message as far as it can be read whatever its text is."""

    id: str
    company_id: str
    facts: MessageFacts


@attrs.frozen(kw_only=True)
class _Queued(_Waiting):
    message: Message


class MessageSender:
    """Sends one message at a time; safe to use from several threads and processes.

    Args:
        resources: of the installation.
        note: counts what became of a company's message: `sent`, `delivered` or `failed`, and a try
            that is made again as `not_sent`.
    """

    def __init__(
        self,
        resources: Resources,
        *,
        note: Callable[[str, str], None] = lambda _company_id, _status: None,
    ) -> None:
        self._resources = resources
        self._note = note

    def work_on(self, message_id: str) -> None:
        """Send a message if it is still queued."""
        queued = self._load(message_id)
        if queued is None:
            return
        try:
            receipt = self._send(queued)
        except MpmError as error:
            step = after_failure(error, queued.facts, draw=self._resources.draw)
            self._write_failure(queued, step)
        else:
            crash_point(CrashPoint.MESSAGE_SENT)
            self._write_sent(queued, receipt)
            crash_point(CrashPoint.MESSAGE_NOTED)

    def note_failure(self, message_id: str, error: str) -> None:
        """Count a failure that is no gateway's (a bug, a row nobody can read).

        Like any other it is tried again a few times; then the message is *failed* and listed.

        Args:
            message_id: which.
            error: what kind; its text may hold secrets.
        """
        row = self._read(message_id)
        if row is not None:
            waiting = _Waiting(id=row.id, company_id=row.company_id, facts=self._facts(row))
            detail = f"Sending it failed ({error})."
            step = after_fault(detail, waiting.facts, draw=self._resources.draw)
            self._write_failure(waiting, step)

    def note_delivery(self, company_id: str, report: DeliveryReport) -> None:
        """Take a gateway's report about a message that was sent; a repeated one changes nothing.

        A report about an unknown message is kept for a while: perhaps its reference is just being
        written. Gateways also report what others sent.
        """
        if not believed_reference(report.reference):
            return  # no message of ours has it
        with self._resources.engines.write.begin() as connection:
            noted = _note_report(connection, company_id, report)
            if not noted and not _is_known(connection, company_id, report.reference):
                now = self._resources.clock()
                keep_report(connection, company_id, report, now)
                noted = _note_report(connection, company_id, report)  # written while we waited
                if noted:
                    take_report(connection, company_id, report.reference, now)
        if noted and report.status is not MessageStatus.SENT:  # that was counted before
            self._note(company_id, report.status.value)

    def _load(self, message_id: str) -> _Queued | None:
        row = self._read(message_id)
        if row is None:
            return None
        return _Queued(
            id=row.id,
            company_id=row.company_id,
            message=Message(
                key=row.key,
                to=Msisdn.from_e164(row.phone),
                body=self._resources.vault.open(row.body),
            ),
            facts=self._facts(row),
        )

    def _read(self, message_id: str) -> sa.Row[Any] | None:
        """Read a queued message's row, which may hold what nobody can make a message of."""
        m = t.messages.c
        query = sa.select(t.messages).where(m.id == message_id, m.status == "queued")
        with self._resources.engines.read.connect() as connection:
            return connection.execute(query).one_or_none()

    def _facts(self, row: sa.Row[Any]) -> MessageFacts:
        age = max(self._resources.clock() - row.created_at, timedelta(0))
        return MessageFacts(failures=row.failures, work_failures=row.work_failures, age=age)

    def _send(self, queued: _Queued) -> MessageReceipt:
        messenger = self._messenger(queued.company_id)
        if messenger is None:
            return _STORED
        if not messenger.finishes_work:
            raise NotSent(messenger.problem)
        plugins = self._resources.plugins_of(queued.company_id)
        receipt = plugins.send_message(messenger.name, queued.message, correlation_id=queued.id)
        return believed(receipt)

    def _messenger(self, company_id: str) -> InstanceRecord | None:
        """Return the company's gateway, also one that does not work; `None` if it has none.

        Of several, an enabled one that works, else a draining one, for a message is work that was
        promised; of several alike, the first in the order of names. One that nobody could ever load
        may be a gateway, too, for its plugin alone knows what it is.
        """
        instances = self._resources.directory().instances_of(company_id)
        return max(filter(_may_be_messenger, instances), key=_usefulness, default=None)

    def _write_sent(self, queued: _Queued, receipt: MessageReceipt) -> None:
        now = self._resources.clock()
        with self._resources.engines.write.begin() as connection:
            report = _early_report(connection, queued.company_id, receipt, now)
            written = _update(
                connection,
                queued.id,
                status=report.status.value,
                reference=receipt.reference,
                segments=receipt.segments,
                cost=receipt.cost,
                sent_at=now,
                next_at=None,
                detail=report.detail,
            )
            if written and receipt is not _STORED:
                tell(connection, [_fact(queued, now)])
        if written:
            self._note(queued.company_id, receipt.status.value)
        if written and report.status is not receipt.status:
            self._note(queued.company_id, report.status.value)

    def _write_failure(self, waiting: _Waiting, step: MessageStep) -> None:
        _LOG.warning(
            "message_given_up" if step.is_given_up else "message_not_sent",
            message=waiting.id,
            failures=step.facts.failures,
        )
        next_in, status = step.next_in, "failed" if step.is_given_up else "queued"
        with self._resources.engines.write.begin() as connection:
            written = _update(
                connection,
                waiting.id,
                status=status,
                failures=step.facts.failures,
                work_failures=step.facts.work_failures,
                detail=step.detail,
                next_at=None if next_in is None else self._resources.clock() + next_in,
            )
        if written:
            self._note(waiting.company_id, status if step.is_given_up else _NOT_SENT)


def _may_be_messenger(instance: InstanceRecord) -> bool:
    in_use = instance.state in {InstanceState.ENABLED, InstanceState.DISABLED}
    return in_use and (instance.facts is None or instance.facts.kind is PluginKind.MESSENGER)


def _usefulness(messenger: InstanceRecord) -> tuple[bool, bool, bool]:
    is_known = messenger.facts is not None
    return is_known and messenger.takes_new_work, messenger.finishes_work, is_known


def _fact(queued: _Queued, now: datetime) -> Fact:
    return Fact(
        hook=OutboxHook.MESSAGE_SENT,
        company_id=queued.company_id,
        subject_id=queued.id,
        at=now,
    )


def _update(connection: Connection, message_id: str, **values: object) -> bool:
    """Write to a message that is still queued; tell whether it was."""
    updated = connection.execute(
        sa.update(t.messages)
        .where(t.messages.c.id == message_id, t.messages.c.status == "queued")
        .values(**values)
    )
    return updated.rowcount == 1


def _early_report(
    connection: Connection, company_id: str, receipt: MessageReceipt, now: datetime
) -> DeliveryReport:
    """Return what the gateway said so far: its receipt, or a report that was faster."""
    if receipt.reference and receipt.status is MessageStatus.SENT:
        return take_report(connection, company_id, receipt.reference, now)
    return DeliveryReport(reference=receipt.reference, status=receipt.status)


def _note_report(connection: Connection, company_id: str, report: DeliveryReport) -> bool:
    """Write a report to its message; tell whether there is one for which it is news."""
    m = t.messages.c
    noted = connection.execute(
        sa.update(t.messages)
        .where(*_has_reference(company_id, report.reference), m.status == MessageStatus.SENT)
        .values(status=report.status.value, detail=report.detail)
    )
    return noted.rowcount > 0


def _is_known(connection: Connection, company_id: str, reference: str) -> bool:
    query = sa.select(t.messages.c.id).where(*_has_reference(company_id, reference))
    return connection.execute(query.limit(1)).first() is not None


def _has_reference(company_id: str, reference: str) -> tuple[sa.ColumnElement[bool], ...]:
    m = t.messages.c
    # the last one so that the index of those that have a reference is used
    return m.company_id == company_id, m.reference == reference, m.reference != ""
