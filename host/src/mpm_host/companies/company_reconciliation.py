"""Bringing the database in line with the companies that `mpm.toml` declares.

New ones are created, changed ones updated, those that are gone disabled; nothing is deleted. Their
settings stay in the file. A company has one owner, the file or the database, never both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from mpm_core import Company
from mpm_host.companies.audit_trail import Actor
from mpm_host.companies.company_refusals import CompanyCode
from mpm_host.companies.company_store import (
    change_company,
    change_instance,
    insert_company,
    insert_instance,
    load_directory,
)
from mpm_host.configuration.config_values import CompanyConfig, InstanceConfig
from mpm_host.database.agent_tables import agents
from mpm_host.database.tables import appliances, companies, devices, payments, tariffs
from mpm_host.directory import CompanyRecord, Directory, InstanceRecord, InstanceState
from mpm_host.refusals import ServiceRefused

__all__ = ["check_currency_change", "check_plugin_change", "lock_companies", "reconcile"]


def reconcile(
    connection: sa.Connection, declared: Mapping[str, CompanyConfig], actor: Actor
) -> tuple[str, ...]:
    """Make the database's managed companies be those declared, in the caller's transaction.

    Returns:
        One line per change, for people.

    Raises:
        ServiceRefused: a declared slug belongs to the database, or a change would falsify bookings.
    """
    lock_companies(connection)
    directory = load_directory(connection)
    lines: list[str] = []
    for slug, company in declared.items():
        record = directory.by_slug.get(slug)
        if record is None:
            lines += _create(connection, company, actor)
        else:
            lines += _update(connection, directory, record, company, actor)
    for record in directory.companies.values():
        if record.managed and record.company.slug not in declared:
            lines += _disable(connection, directory, record, actor)
    return tuple(lines)


def lock_companies(connection: sa.Connection) -> None:
    """Let one process at a time change companies; SQLite's writers are alone anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text(f"LOCK TABLE {companies.name} IN SHARE ROW EXCLUSIVE MODE"))


def check_currency_change(connection: sa.Connection, record: CompanyRecord, currency: str) -> None:
    """Refuse another currency once there are amounts in the old one.

    Raises:
        ServiceRefused: there are.
    """
    if currency == record.company.currency:
        return
    for table in (payments, tariffs, appliances, agents):
        if _has_row(connection, table.c.company_id == record.id, table):
            raise ServiceRefused(
                CompanyCode.CURRENCY_IN_USE,
                f"Company {record.company.slug!r} has amounts in {record.company.currency}, so its "
                f"currency cannot become {currency}; put {record.company.currency} back, or create "
                "another company.",
            )


def check_plugin_change(
    connection: sa.Connection, slug: str, record: InstanceRecord, plugin: str
) -> None:
    """Refuse another plugin for an instance that has devices or payments of the old one.

    Raises:
        ServiceRefused: it has.
    """
    if plugin == record.plugin:
        return
    for table in (devices, payments):
        if _has_row(connection, table.c.instance_id == record.id, table):
            raise ServiceRefused(
                CompanyCode.INSTANCE_IN_USE,
                f"Company {slug!r}: instance {record.name!r} has devices or payments of plugin "
                f"{record.plugin!r}, so it cannot use {plugin!r}; give the new plugin an instance "
                "of another name.",
            )


def _has_row(connection: sa.Connection, condition: sa.ColumnElement[bool], table: sa.Table) -> bool:
    query = sa.select(sa.literal(1)).select_from(table).where(condition).limit(1)
    return connection.execute(query).first() is not None


def _create(connection: sa.Connection, declared: CompanyConfig, actor: Actor) -> Iterable[str]:
    slug = declared.company.slug
    insert_company(
        connection,
        declared.company,
        actor,
        managed=True,
        arrears_buy_time=declared.arrears_buy_time,
        demand_mapping=declared.demand_mapping,
    )
    yield f"Company {slug!r} created."
    record = load_directory(connection).by_slug[slug]
    for instance in declared.instances.values():
        yield _create_instance(connection, record, instance, actor)


def _update(
    connection: sa.Connection,
    directory: Directory,
    record: CompanyRecord,
    declared: CompanyConfig,
    actor: Actor,
) -> Iterable[str]:
    company: Company = declared.company
    if not record.managed:
        raise ServiceRefused(
            CompanyCode.SLUG_TAKEN,
            f"Company {company.slug!r} is declared in the configuration but was created in the "
            "database; remove its section, or declare it under another slug.",
        )
    check_currency_change(connection, record, company.currency)
    changes = {
        "name": company.name,
        "country": company.country,
        "currency": company.currency,
        "timezone": company.timezone,
        "arrears_buy_time": declared.arrears_buy_time,
        "demand_mapping": declared.demand_mapping,
        "enabled": True,
    }
    if change_company(connection, record, actor, changes):
        yield f"Company {company.slug!r} updated."
    for instance in declared.instances.values():
        known = directory.instance_named(record.id, instance.name)
        if known is None:
            yield _create_instance(connection, record, instance, actor)
        elif _update_instance(connection, record, known, instance, actor):
            yield f"Company {company.slug!r}: instance {instance.name!r} updated."
    yield from _disable_missing(connection, directory, record, declared.instances, actor)


def _create_instance(
    connection: sa.Connection, company: CompanyRecord, instance: InstanceConfig, actor: Actor
) -> str:
    insert_instance(
        connection,
        company,
        actor,
        name=instance.name,
        plugin=instance.plugin,
        state=_state(instance),
    )
    return f"Company {company.company.slug!r}: instance {instance.name!r} created."


def _update_instance(
    connection: sa.Connection,
    company: CompanyRecord,
    known: InstanceRecord,
    instance: InstanceConfig,
    actor: Actor,
) -> bool:
    check_plugin_change(connection, company.company.slug, known, instance.plugin)
    return change_instance(connection, known, actor, plugin=instance.plugin, state=_state(instance))


def _disable(
    connection: sa.Connection, directory: Directory, record: CompanyRecord, actor: Actor
) -> Iterable[str]:
    if change_company(connection, record, actor, {"enabled": False}):
        yield f"Company {record.company.slug!r} disabled."
    yield from _disable_missing(connection, directory, record, {}, actor)


def _disable_missing(
    connection: sa.Connection,
    directory: Directory,
    record: CompanyRecord,
    declared: Mapping[str, InstanceConfig],
    actor: Actor,
) -> Iterable[str]:
    for known in directory.instances_of(record.id):
        if known.name in declared or known.state is not InstanceState.ENABLED:
            continue
        change_instance(connection, known, actor, plugin=known.plugin, state=InstanceState.DISABLED)
        yield f"Company {record.company.slug!r}: instance {known.name!r} disabled."


def _state(instance: InstanceConfig) -> InstanceState:
    return InstanceState.ENABLED if instance.options.enabled else InstanceState.DISABLED
