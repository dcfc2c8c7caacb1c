"""What the tables of the host are made of: their one metadata, and columns that most of them have.

All names of tables start with `mpm_`, because a job engine may keep its own tables in the same
database. Money is `BigInteger` minor units beside a currency; moments are `Instant`; ids are opaque
texts. Every row names its company, and every query asks for it.
"""

from __future__ import annotations

import sqlalchemy as sa

from mpm_host.database.column_types import Instant
from mpm_host.identifiers import IDENTIFIER_LENGTH

__all__ = [
    "ID",
    "as_indexed",
    "company",
    "created",
    "currency",
    "identifier",
    "metadata",
    "partial_index",
    "reference_to",
    "set_aside_at",
    "work_failures",
]

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = sa.String(IDENTIFIER_LENGTH)


def identifier() -> sa.Column[str]:
    """Return the key of a row."""
    return sa.Column("id", ID, primary_key=True)


def company() -> sa.Column[str]:
    """Return the company that a row belongs to."""
    return reference_to("mpm_company")


def reference_to(table: str, *, nullable: bool = False, unique: bool = False) -> sa.Column[str]:
    """Return the key of a row of another table, named after it: `device_id` of `mpm_device`."""
    name = f"{table.removeprefix('mpm_')}_id"
    return sa.Column(name, ID, sa.ForeignKey(f"{table}.id"), nullable=nullable, unique=unique)


def currency() -> sa.Column[str]:
    """Return the currency of a row's amounts."""
    return sa.Column("currency", sa.String(3), nullable=False)


def created() -> sa.Column[object]:
    """Return when a row was made."""
    return sa.Column("created_at", Instant, nullable=False)


def work_failures() -> sa.Column[int]:
    """Return how often in a row work on a row failed by a fault of ours, not of a vendor's."""
    return sa.Column("work_failures", sa.Integer, nullable=False, server_default=sa.text("0"))


def set_aside_at() -> sa.Column[object]:
    """Return since when nobody works on a row any more, because that only failed; none else."""
    return sa.Column("set_aside_at", Instant)


def as_indexed(flag: sa.Column[bool]) -> sa.TextClause:
    """Return the very condition of a partial index: SQLite does not find it by `flag = 1`."""
    return sa.text(f"{flag.table.name}.{flag.name}")


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> sa.Index:
    """Return an index of those rows alone for which the condition holds."""
    condition = sa.text(where)
    return sa.Index(
        name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition
    )
