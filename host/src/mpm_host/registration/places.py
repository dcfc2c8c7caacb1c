"""Places: clusters hold mini-grids, mini-grids hold villages; names are unique in their parent."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_host.database import tables as t
from mpm_host.directory import CompanyRecord
from mpm_host.identifiers import new_identifier
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.inputs import read_name

__all__ = ["create_cluster", "create_mini_grid", "create_village"]


def create_cluster(connection: Connection, company: CompanyRecord, name: str, now: datetime) -> str:
    """Create a cluster and return its id.

    Raises:
        ServiceRefused: the name is empty or taken.
    """
    row = {"name": read_name(name, "cluster")}
    return _create(connection, t.clusters, company, row, now, where="the company")


def create_mini_grid(
    connection: Connection, company: CompanyRecord, cluster_id: str, name: str, now: datetime
) -> str:
    """Create a mini-grid in a cluster and return its id.

    Raises:
        ServiceRefused: the cluster is unknown, the name is empty or taken in it.
    """
    row = {"name": read_name(name, "mini-grid"), "cluster_id": cluster_id}
    _require(connection, t.clusters, company, cluster_id, RefusalCode.UNKNOWN_CLUSTER)
    return _create(connection, t.mini_grids, company, row, now, where="its cluster")


def create_village(
    connection: Connection, company: CompanyRecord, mini_grid_id: str, name: str, now: datetime
) -> str:
    """Create a village in a mini-grid and return its id.

    Raises:
        ServiceRefused: the mini-grid is unknown, the name is empty or taken in it.
    """
    row = {"name": read_name(name, "village"), "mini_grid_id": mini_grid_id}
    _require(connection, t.mini_grids, company, mini_grid_id, RefusalCode.UNKNOWN_MINI_GRID)
    return _create(connection, t.villages, company, row, now, where="its mini-grid")


def _require(
    connection: Connection, table: sa.Table, company: CompanyRecord, row_id: str, code: RefusalCode
) -> None:
    query = sa.select(table.c.id).where(table.c.id == row_id, table.c.company_id == company.id)
    if connection.execute(query).first() is None:
        what = code.removeprefix("unknown_").replace("_", "-")
        raise ServiceRefused(code, f"The company has no {what} with id {row_id[:64]!r}.")


def _create(  # noqa: PLR0913 - one insert for three tables, all but the row by name
    connection: Connection,
    table: sa.Table,
    company: CompanyRecord,
    row: dict[str, str],
    now: datetime,
    *,
    where: str,
) -> str:
    identifier = new_identifier()
    values = {"id": identifier, "company_id": company.id, "created_at": now, **row}
    try:
        with connection.begin_nested():
            connection.execute(sa.insert(table), [values])
    except sa.exc.IntegrityError:
        raise ServiceRefused(
            RefusalCode.NAME_TAKEN,
            f"The name {row['name']!r} is taken in {where}; choose another or use that one.",
        ) from None
    return identifier
