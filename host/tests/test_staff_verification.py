"""Verification of what staff take: silent about what is right, and finds what is not."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from mpm_core import Money
from mpm_core.allocation.ad_hoc_units import AdHocUnit
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.database.engines import open_engines
from mpm_host.database.every_table import metadata
from mpm_host.identifiers import new_identifier
from mpm_host.payments.cash_desk import CashDesk, CashPayment
from mpm_host.payments.token_desk import AdHocToken, TokenDesk
from mpm_host.verification.verification import verify
from tests.support.small_company import SmallCompany, small_directory

METER = "47001234567"


class Books(SmallCompany):
    """A company with a payment of each channel."""

    def __init__(self, engines):
        super().__init__(engines, directory=small_directory("umeme"))
        self.meter(METER)
        self.telecom = self.pay(METER, "1000", "R1")
        self.cash = self._book(self._take_cash)
        self.ad_hoc = self._book(self._give_token)

    def _book(self, book):
        by = Actor(name="anna@umeme.tz", at=self.now, reason="meter was replaced")
        with self.engines.write.begin() as connection:
            return book(connection, by).id

    def _take_cash(self, connection, by):
        desk = CashDesk(vault=self.vault, directory=lambda: self.directory)
        cash = CashPayment(amount=Money.parse("700", "TZS"), serial=METER)
        return desk.take(connection, self.record, cash, by)

    def _give_token(self, connection, by):
        desk = TokenDesk(vault=self.vault, directory=lambda: self.directory)
        token = AdHocToken(serial=METER, amount="3", unit=AdHocUnit.KWH)
        return desk.give(connection, self.record, token, by)

    def differences(self):
        with self.engines.read.connect() as connection:
            return sorted(str(one) for one in verify(connection))

    def corrupt(self, *statements):
        """Change rows behind the program's back; the database's own checks are off."""
        with self.engines.write.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("COMMIT")
                connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
                connection.exec_driver_sql("BEGIN")
            else:
                connection.exec_driver_sql(
                    "ALTER TABLE mpm_payment DROP CONSTRAINT ck_mpm_payment_instance_of_telecom"
                )
            for statement in statements:
                assert connection.execute(statement).rowcount != 0
            connection.commit()
            connection.invalidate()  # the pragmas are the connection's

    def set_payment(self, payment_id, **values):
        return sa.update(t.payments).where(t.payments.c.id == payment_id).values(**values)

    def set_entry(self, payment_id, booked_as, **values):
        e = t.entries.c
        return (
            sa.update(t.entries)
            .where(e.payment_id == payment_id, e.account == booked_as)
            .values(**values)
        )


@pytest.fixture
def books(empty_database_url):
    """Books whose tables have no triggers, so that rows can be corrupted."""
    opened = open_engines(empty_database_url)
    metadata.create_all(opened.write)
    yield Books(opened)
    opened.dispose()


def test_payments_of_every_channel_are_right(books):
    assert books.differences() == []


@pytest.mark.parametrize(
    ("which", "fact", "amount"),
    [
        ("cash", "the cash that was taken for it", "700"),
        ("ad_hoc", "the cash that its token counts for", "3000"),
    ],
)
def test_staffs_money_that_is_booked_as_a_telecoms_is_told(books, which, fact, amount):
    payment_id = getattr(books, which)
    books.corrupt(books.set_entry(payment_id, "cash", account="clearing"))

    assert books.differences() == [
        (
            f"umeme: payment {payment_id} (token_pending): {fact} is 0 TZS, "
            f"expected {amount} TZS (I5)"
        )
    ]


def test_a_telecoms_money_that_is_booked_as_cash_is_told(books):
    books.corrupt(books.set_entry(books.telecom, "clearing", account="cash"))

    assert books.differences() == [
        (
            f"umeme: payment {books.telecom} (token_pending): what the telecom owes for it is "
            "0 TZS, expected 1000 TZS (I5)"
        )
    ]


def test_cash_that_pretends_to_be_a_telecoms_is_told(books):
    instance = books.directory.instance_named(books.record.id, "airtel").id
    books.corrupt(books.set_payment(books.cash, channel="telecom", instance_id=instance, number=99))

    assert books.differences() == [
        (
            f"umeme: payment {books.cash} (token_pending): what the telecom owes for it is 0 TZS, "
            "expected 700 TZS (I5)"
        )
    ]


@pytest.mark.parametrize(
    "values",
    [{"channel": "gift"}, {"channel": "telecom"}],
    ids=["of no channel", "of no instance"],
)
def test_a_payment_from_nowhere_is_told(books, values):
    books.corrupt(books.set_payment(books.cash, **values))

    assert (
        f"umeme: payment {books.cash}: channel and instance is {values['channel']} and none, "
        "expected telecom with an instance, or cash or ad_hoc or plan_change without (I5)"
    ) in books.differences()


def test_an_ad_hoc_token_that_paid_a_debt_is_told(books):
    """It is given past all debts, so no line of it may be for one."""
    customer, device = (books.rows(table, "id")[0][0] for table in (t.customers, t.devices))
    debt = new_identifier()
    books.corrupt(
        sa.insert(t.access_debts).values(
            id=debt, company_id=books.record.id, customer_id=customer, device_id=device,
            due_on=books.record.today(books.now), amount=300_000, remaining=0, currency="TZS",
        ),
        books.set_entry(books.ad_hoc, "energy", account="access_rate", refers_to=debt),
    )  # fmt: skip

    assert books.differences() == [
        (
            f"umeme: payment {books.ad_hoc} (token_pending): what its token was booked as is "
            "access_rate, expected energy or time, with credit at most (I5)"
        ),
        (
            f"umeme: payment {books.ad_hoc}: what it sold as energy is 0 TZS, expected 3000 TZS, "
            "as its orders say (I9)"
        ),
    ]


@pytest.mark.parametrize(
    ("values", "found", "expected"),
    [
        ({"quantity": 4000}, "3000 TZS", "4000 TZS"),
        ({"money": 290_000}, "2900 TZS", "3000 TZS"),
        ({"quantity": 2_999, "money": 299_900}, "2999 TZS", "that of 3 kWh"),
    ],
    ids=["more energy", "less money", "less than was asked"],
)
def test_an_ad_hoc_token_that_was_priced_wrongly_is_told(books, values, found, expected):
    o = t.orders.c
    order = next(row for row in books.rows(t.orders) if row["payment_id"] == books.ad_hoc)
    books.corrupt(sa.update(t.orders).where(o.id == order["id"]).values(**values))

    told, *more = books.differences()
    assert told == (
        f"umeme: order {order['id']}: price of its energy is {found}, expected {expected} (I9)"
    )
    line = f"umeme: payment {books.ad_hoc}: what it sold as energy is 3000 TZS, expected "
    ordered = Money(values.get("money", 300_000), "TZS")
    assert more == ([f"{line}{ordered} TZS, as its orders say (I9)"] if "money" in values else [])
