"""Payments that share a transaction: one that the database refuses keeps none of them out."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from mpm_core import Decision, ProcessRequest, Reply
from mpm_host.database import tables as t
from mpm_host.database.group_commit import GroupCommit
from mpm_host.payments.booking import Accept, Book
from mpm_host.verification.verification import verify
from tests.support.small_company import SmallCompany

METERS = ["47001234567", "47001234568"]
REFUSED = "R3"  # by the database, not by us
# Where it refuses: before anything of the batch is written, or after all payments of it are.
REFUSING = {
    "payment": ("mpm_payment", f"NEW.reference = '{REFUSED}'"),
    "entry": (
        "mpm_entry",
        f"EXISTS (SELECT 1 FROM mpm_payment WHERE id = NEW.payment_id AND reference = '{REFUSED}')",  # noqa: S608 - our own words
    ),
}


def refuse(engines, table, condition):
    """Let the database refuse a row, as it would one that breaks a rule of its own."""
    if engines.write.dialect.name == "sqlite":
        made = [
            f"""
            CREATE TRIGGER refusing BEFORE INSERT ON {table} WHEN {condition}
            BEGIN SELECT RAISE(ABORT, 'refused'); END
        """
        ]
    else:
        made = [
            f"""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF {condition} THEN RAISE EXCEPTION 'refused'; END IF; RETURN NEW; END $$
            """,
            f"""
            CREATE TRIGGER refusing BEFORE INSERT ON {table}
            FOR EACH ROW EXECUTE FUNCTION refuse()
            """,
        ]
    with engines.write.begin() as connection:
        for statement in made:
            connection.exec_driver_sql(statement)


def accept(company, reference, serial):
    return Accept(
        instance=company.directory.instance_named(company.record.id, "airtel"),
        request=ProcessRequest(
            reference=reference, serial=serial, amount=company.money("1000"), payer=None
        ),
        reply=Reply(status=200, content_type="text/plain", body=reference.encode()),
    )


@pytest.mark.parametrize(("table", "condition"), REFUSING.values(), ids=REFUSING)
def test_of_payments_in_one_batch_the_one_the_database_refuses_fails_alone(
    engines, table, condition
):
    company = SmallCompany(engines)
    company.meter(METERS[0])
    company.meter(METERS[1], phone="0712345999")
    refuse(engines, table, condition)
    book = Book(vault=company.vault, clock=lambda: company.now, directory=lambda: company.directory)
    begun, gate, batches = threading.Event(), threading.Event(), []

    def gated(connection, commands):
        batches.append([command.request.reference for command in commands])
        begun.set()
        gate.wait(10)
        return book(connection, commands)

    writer = GroupCommit(engines.write, gated, name="test")
    first = writer.submit(accept(company, "R0", METERS[0]))
    assert begun.wait(10)
    others = [f"R{number}" for number in range(1, 6)]
    futures = {
        each: writer.submit(accept(company, each, METERS[number % 2]))
        for number, each in enumerate(others)
    }
    gate.set()
    failure = futures.pop(REFUSED).exception(10)
    outcomes = [first.result(10), *(future.result(10) for future in futures.values())]
    writer.close()

    assert batches[:2] == [["R0"], others]  # they did share a transaction
    assert isinstance(failure, sa.exc.DBAPIError)
    assert "refused" in str(failure.orig)
    booked = ["R0", *futures]
    assert [(each.decision, each.reply.body.decode()) for each in outcomes] == [
        (Decision.ACCEPTED, reference) for reference in booked
    ]
    with engines.read.connect() as connection:
        p = t.payments.c
        stored = connection.execute(sa.select(p.reference).order_by(p.reference)).scalars().all()
        entries = sa.select(sa.func.count(sa.distinct(t.entries.c.payment_id)))
        orders = sa.select(sa.func.count()).select_from(t.orders)
        assert stored == booked
        assert (connection.scalar(entries), connection.scalar(orders)) == (len(booked), len(booked))
        assert [str(difference) for difference in verify(connection)] == []
