"""The outbox: what instances of plugins are to hear is written in the transaction of the fact.

So a fact that is committed is told, whatever dies, and one that is rolled back never is. Who
listens is known in memory: where nobody does, nothing is asked of the database and nothing written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from enum import StrEnum

import attrs
from sqlalchemy.engine import Connection, Engine

from mpm_host.database.bulk_insert import bulk_insert
from mpm_host.database.outbox_tables import tellings
from mpm_host.directory import Directory
from mpm_host.identifiers import new_identifier

__all__ = ["Fact", "OutboxHook", "hooks_of", "is_heard", "keep_outbox", "tell"]

_DIRECTORY = "mpm_directory"  # the name of our option of engines
_IMPLEMENTED = "mpm_core_impl"  # how `hookimpl` marks a method


class OutboxHook(StrEnum):
    """The hooks that go through the outbox; all but the report are told to every instance."""

    PAYMENT_ACCEPTED = "mpm_payment_accepted"
    PAYMENT_SETTLED = "mpm_payment_settled"
    TOKEN_ISSUED = "mpm_token_issued"  # noqa: S105 - the name of a hook
    ORDER_HELD = "mpm_order_held"
    DEVICE_REGISTERED = "mpm_device_registered"
    MESSAGE_SENT = "mpm_message_sent"
    REPORT_PAYMENT = "mpm_report_payment"  # to the payment's own telecom only


@attrs.frozen(kw_only=True)
class Fact:
    """Something that happened, for those who want to hear of it.

    Attributes:
        subject_id: of the payment, order, device or message, as the hook has it.
        at: when.
        instance_id: the only one to hear of it; every listening one of the company if none.
    """

    hook: OutboxHook
    company_id: str
    subject_id: str
    at: datetime
    instance_id: str | None = None


def hooks_of(plugin_class: type) -> frozenset[str]:
    """Return which hooks of the outbox a plugin's class implements."""
    return frozenset(
        hook.value
        for hook in OutboxHook
        if hasattr(getattr(plugin_class, hook.value, None), _IMPLEMENTED)
    )


def keep_outbox(engine: Engine, directory: Callable[[], Directory]) -> None:
    """Have facts that are written through an engine told to those who listen.

    Who listens belongs to the database as a whole, so it travels with the connection: whoever
    writes a fact has one. Through an engine without an outbox nothing is told.

    Args:
        engine: the writing one.
        directory: returns companies and instances as they are now.
    """
    engine.update_execution_options(**{_DIRECTORY: directory})


def is_heard(connection: Connection, hook: OutboxHook) -> bool:
    """Tell whether anybody in any company listens; asks no database."""
    directory = _directory(connection)
    return directory is not None and hook.value in directory.heard


def tell(connection: Connection, facts: Iterable[Fact]) -> None:
    """Have facts told once the caller's transaction is committed; of no listener, nothing."""
    directory = _directory(connection)
    if directory is None:
        return
    rows = [
        _row(fact, instance_id) for fact in facts for instance_id in _listeners(directory, fact)
    ]
    bulk_insert(connection, tellings, rows)


def _directory(connection: Connection) -> Directory | None:
    kept: Callable[[], Directory] | None = connection.get_execution_options().get(_DIRECTORY)
    return None if kept is None else kept()


def _listeners(directory: Directory, fact: Fact) -> Iterator[str]:
    if fact.instance_id is None:
        for instance in directory.listeners.get((fact.company_id, fact.hook.value), ()):
            yield instance.id
        return
    instance_or_none = directory.instances.get(fact.instance_id)
    facts = instance_or_none.facts if instance_or_none else None
    if facts is not None and fact.hook.value in facts.hooks:
        yield fact.instance_id


def _row(fact: Fact, instance_id: str) -> dict[str, object]:
    return {
        "id": new_identifier(),
        "company_id": fact.company_id,
        "instance_id": instance_id,
        "hook": fact.hook.value,
        "subject_id": fact.subject_id,
        "failures": 0,
        "detail": "",
        "next_at": fact.at,
        "handed": 0,
        "created_at": fact.at,
    }
