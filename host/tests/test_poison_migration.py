"""Revision 0012 with rows in the tables: work that was set aside is tried again by older code."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import command

from mpm_host.database import tables as t
from mpm_host.database.upgrade import alembic_config
from tests.support.small_company import NOW, SmallCompany


def step(company, direction, revision):
    with company.engines.write.begin() as connection:
        getattr(command, direction)(alembic_config(connection), revision)


def due(company):
    with company.engines.read.connect() as connection:
        return connection.scalars(sa.select(t.devices.c.next_at)).one()


def test_what_was_set_aside_is_due_before_the_revision_and_afresh_after_it(engines):
    company = SmallCompany(engines)
    company.meter()
    with engines.write.begin() as connection:
        marks = {"next_at": None, "set_aside_at": NOW, "work_failures": 5}
        connection.execute(sa.update(t.devices).values(marks))

    step(company, "downgrade", "0011")
    before = due(company)
    step(company, "upgrade", "head")

    assert (before, due(company)) == (NOW, NOW)
    with engines.read.connect() as connection:
        row = connection.execute(sa.select(t.devices)).one()
    assert (row.work_failures, row.set_aside_at) == (0, None)
