"""Companies and instances in the database: reading them all, and every single change.

Each function works in the caller's transaction and notes its change in the audit trail. Nothing is
ever deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from mpm_core import Company
from mpm_host.companies.audit_trail import Actor, write_audit
from mpm_host.database.tables import companies, instances
from mpm_host.directory import (
    CompanyRecord,
    Directory,
    InstanceRecord,
    InstanceState,
    ManifestFacts,
)
from mpm_host.identifiers import new_callback_key, new_identifier

__all__ = [
    "change_company",
    "change_instance",
    "insert_company",
    "insert_instance",
    "load_directory",
    "load_sealed_settings",
    "store_facts",
]

Changes = Mapping[str, object]


def load_directory(connection: sa.Connection) -> Directory:
    """Read every company and instance, with the facts stored when their plugins last worked."""
    company_rows = connection.execute(sa.select(companies)).mappings()
    instance_rows = connection.execute(sa.select(instances)).mappings()
    return Directory(
        companies={row["id"]: _company_record(row) for row in company_rows},
        instances={row["id"]: _instance_record(row) for row in instance_rows},
    )


def load_sealed_settings(connection: sa.Connection) -> Mapping[str, bytes]:
    """Read the encrypted settings of the instances that the database owns, by instance id."""
    query = sa.select(instances.c.id, instances.c.settings).where(instances.c.settings.is_not(None))
    return {row.id: row.settings for row in connection.execute(query)}


def insert_company(  # noqa: PLR0913 - one column each
    connection: sa.Connection,
    company: Company,
    actor: Actor,
    *,
    managed: bool,
    arrears_buy_time: bool = False,
    demand_mapping: bool = False,
) -> str:
    """Add a company and return its id."""
    values = _company_values(company) | {
        "arrears_buy_time": arrears_buy_time,
        "demand_mapping": demand_mapping,
        "enabled": True,
    }
    company_id = new_identifier()
    connection.execute(
        sa.insert(companies).values(
            id=company_id, slug=company.slug, managed=managed, created_at=actor.at, **values
        )
    )
    write_audit(
        connection,
        actor,
        company_id=company_id,
        action="company.created",
        subject=company.slug,
        before={},
        after=values,
    )
    return company_id


def change_company(
    connection: sa.Connection, record: CompanyRecord, actor: Actor, changes: Changes
) -> bool:
    """Change columns of a company; tell whether anything is different now."""
    known = _company_values(record.company) | {
        "arrears_buy_time": record.arrears_buy_time,
        "demand_mapping": record.demand_mapping,
        "enabled": record.enabled,
        "managed": record.managed,
    }
    different = {name: value for name, value in changes.items() if known[name] != value}
    if not different:
        return False
    connection.execute(sa.update(companies).where(companies.c.id == record.id).values(**different))
    write_audit(
        connection,
        actor,
        company_id=record.id,
        action="company.changed",
        subject=record.company.slug,
        before={name: known[name] for name in different},
        after=different,
    )
    return True


def insert_instance(  # noqa: PLR0913 - one column each
    connection: sa.Connection,
    company: CompanyRecord,
    actor: Actor,
    *,
    name: str,
    plugin: str,
    state: InstanceState,
    sealed: bytes | None = None,
    shown: Changes | None = None,
) -> None:
    """Add an instance with a callback key of its own.

    Args:
        connection: in the caller's transaction.
        company: whose it is; its owner owns the instance too.
        actor: who adds it.
        name: unique within the company.
        plugin: canonical name.
        state: what it begins in.
        sealed: encrypted settings, if the database owns them.
        shown: the settings for the audit trail, secrets masked.
    """
    connection.execute(
        sa.insert(instances).values(
            id=new_identifier(),
            company_id=company.id,
            name=name,
            plugin=plugin,
            state=state.value,
            managed=company.managed,
            callback_key=new_callback_key(),
            settings=sealed,
            created_at=actor.at,
        )
    )
    write_audit(
        connection,
        actor,
        company_id=company.id,
        action="instance.created",
        subject=name,
        before={},
        after={"plugin": plugin, "state": state.value, **(shown or {})},
    )


def change_instance(  # noqa: PLR0913 - as above
    connection: sa.Connection,
    record: InstanceRecord,
    actor: Actor,
    *,
    plugin: str,
    state: InstanceState,
    sealed: bytes | None = None,
    shown_before: Changes | None = None,
    shown_after: Changes | None = None,
) -> bool:
    """Change an instance; tell whether anything is different now.

    Args:
        connection: in the caller's transaction.
        record: as it was.
        actor: who changes it.
        plugin: canonical name.
        state: what it is in from now on.
        sealed: new encrypted settings; those stored stay if there are none.
        shown_before: the former settings for the audit trail, secrets masked.
        shown_after: the new ones.
    """
    before: dict[str, object] = {"plugin": record.plugin, "state": record.state.value}
    after: dict[str, object] = {"plugin": plugin, "state": state.value}
    if before == after and sealed is None:
        return False
    values: dict[str, object] = dict(after)
    if sealed is not None:
        values["settings"] = sealed
    if record.plugin != plugin:
        values["facts"] = None  # they were another plugin's
    connection.execute(sa.update(instances).where(instances.c.id == record.id).values(**values))
    write_audit(
        connection,
        actor,
        company_id=record.company_id,
        action="instance.changed",
        subject=record.name,
        before=before | dict(shown_before or {}),
        after=after | dict(shown_after or {}),
    )
    return True


def store_facts(connection: sa.Connection, facts: Mapping[str, ManifestFacts]) -> None:
    """Keep what instances' manifests say, by instance id, for when the plugins cannot be loaded."""
    for instance_id, found in facts.items():
        connection.execute(
            sa.update(instances)
            .where(instances.c.id == instance_id)
            .values(facts=found.to_stored())
        )


def _company_values(company: Company) -> dict[str, object]:
    return {
        "name": company.name,
        "country": company.country,
        "currency": company.currency,
        "timezone": company.timezone,
    }


def _company_record(row: sa.RowMapping) -> CompanyRecord:
    company = Company(
        slug=row["slug"],
        name=row["name"],
        country=row["country"],
        currency=row["currency"],
        timezone=row["timezone"],
    )
    return CompanyRecord(
        id=row["id"],
        company=company,
        managed=row["managed"],
        enabled=row["enabled"],
        arrears_buy_time=row["arrears_buy_time"],
        demand_mapping=row["demand_mapping"],
        zone=ZoneInfo(row["timezone"]),
    )


def _instance_record(row: sa.RowMapping) -> InstanceRecord:
    stored = row["facts"]
    return InstanceRecord(
        id=row["id"],
        company_id=row["company_id"],
        name=row["name"],
        plugin=row["plugin"],
        state=InstanceState(row["state"]),
        callback_key=row["callback_key"],
        managed=row["managed"],
        facts=None if stored is None else ManifestFacts.from_stored(stored),
    )
