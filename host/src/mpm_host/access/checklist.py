"""The checklist of a new company: what is still missing before its first payment, as data."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import DeviceKind, PluginKind
from mpm_host.access.login import has_protected_password
from mpm_host.database import tables as t
from mpm_host.database.access_tables import users
from mpm_host.directory import CompanyRecord, Directory, InstanceState

__all__ = ["ChecklistItem", "checklist"]


@attrs.frozen(kw_only=True)
class ChecklistItem:
    """One thing to do.

    Attributes:
        name: stable.
        done: whether it is.
        what: one sentence for people: what to do, or what is wrong.
        instance: of a plugin, if it is about one.
    """

    name: str
    done: bool
    what: str
    instance: str | None = None


def checklist(
    connection: Connection, directory: Directory, company: CompanyRecord
) -> tuple[ChecklistItem, ...]:
    """Return everything a company needs, in the order to do it in."""
    return tuple(_items(connection, directory, company))


def _items(
    connection: Connection, directory: Directory, company: CompanyRecord
) -> Iterator[ChecklistItem]:
    yield from _plugins(directory, company)
    yield ChecklistItem(
        name="users",
        done=_count(connection, users, company) > 1,
        what="Create a user for everybody who works with this.",
    )
    yield ChecklistItem(
        name="protected_password",
        done=has_protected_password(connection, company.id),
        what="Set the password of the protected pages.",
    )
    for name, table, what in (
        ("clusters", t.clusters, "Create a cluster."),
        ("mini_grids", t.mini_grids, "Create a mini-grid in a cluster."),
        ("villages", t.villages, "Create a village in a mini-grid; every device stands in one."),
    ):
        yield ChecklistItem(name=name, done=_count(connection, table, company) > 0, what=what)
    yield from _wares(connection, directory, company)
    yield ChecklistItem(
        name="devices",
        done=_count(connection, t.devices, company) > 0,
        what="Register the first customer with a device.",
    )


def _plugins(directory: Directory, company: CompanyRecord) -> Iterator[ChecklistItem]:
    instances = [
        each
        for each in directory.instances_of(company.id)
        if each.state is not InstanceState.REMOVED
    ]
    working = [each for each in instances if each.takes_new_work and each.facts is not None]
    for kind in (PluginKind.MANUFACTURER, PluginKind.TELECOM, PluginKind.MESSENGER):
        yield ChecklistItem(
            name=f"plugin_{kind.value}",
            done=any(each.facts is not None and each.facts.kind is kind for each in working),
            what=f"Enable a plugin of a {kind.value}.",
        )
    for each in instances:
        if each.state is InstanceState.UNCONFIGURED:
            what = "Give its settings and enable it."
        else:
            what = each.problem or "Works."
        yield ChecklistItem(
            name="plugin_settings",
            instance=each.name,
            done=each.state is not InstanceState.UNCONFIGURED and not each.problem,
            what=what,
        )


def _wares(
    connection: Connection, directory: Directory, company: CompanyRecord
) -> Iterator[ChecklistItem]:
    """Ask for tariffs and appliances only where a manufacturer's devices need them."""
    kinds = {
        kind
        for each in directory.instances_of(company.id)
        if each.takes_new_work and each.facts is not None
        for kind in each.facts.device_kinds
    }
    if DeviceKind.METER in kinds:
        yield ChecklistItem(
            name="tariffs",
            done=_count(connection, t.tariffs, company) > 0,
            what="Create a tariff for meters.",
        )
    if kinds - {DeviceKind.METER}:
        yield ChecklistItem(
            name="appliances",
            done=_count(connection, t.appliances, company) > 0,
            what="Create the appliances that solar home systems or e-bikes are sold as.",
        )


def _count(connection: Connection, table: sa.Table, company: CompanyRecord) -> int:
    """Count no further than two: more is not asked."""
    few = sa.select(table.c.company_id).where(table.c.company_id == company.id).limit(2).subquery()
    return connection.execute(sa.select(sa.func.count()).select_from(few)).scalar_one()
