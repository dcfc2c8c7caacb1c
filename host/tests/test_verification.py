"""Verification: silent about what is right, one difference for whatever is not."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from mpm_core import Secret
from mpm_host.database import tables as t
from mpm_host.database.engines import open_engines
from mpm_host.database.every_table import metadata
from mpm_host.identifiers import new_identifier
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.verification.verification import CHECKS, verify
from tests.support.small_company import SmallCompany, small_directory


@pytest.fixture
def engines(empty_database_url):
    """A database whose tables have no triggers, so that rows can be corrupted."""
    opened = open_engines(empty_database_url)
    metadata.create_all(opened.write)
    yield opened
    opened.dispose()


@pytest.fixture
def company(engines):
    """A company with payments of every kind: energy, debts, days, credit, suspense."""
    company = SmallCompany(engines, directory=small_directory("umeme", "solar"))
    company.meter(access_rate="200", period_days=7, days_ago=14)
    company.issue(company.pay("47001234567", "1000.50", "MP-1"), "1" * 20)
    company.pay("47001234567", "300", "MP-2")
    company.home(sale=PlanTerms(cost=company.money("3000"), instalments=3))
    company.issue(company.pay("12345678", "500", "MP-3"), "2" * 20)
    company.pay("12345678", "9000", "MP-4")
    company.pay("404", "70", "MP-5")
    return company


def differences(company, **more):
    with company.engines.read.connect() as connection:
        return [str(difference) for difference in verify(connection, **more)]


def corrupt(company, *statements):
    """Change rows behind the program's back; checks of the tables are off where they can be."""
    with company.engines.write.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
            connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
            connection.exec_driver_sql("BEGIN")
        else:
            connection.exec_driver_sql(
                "ALTER TABLE mpm_plan_row "
                "DROP CONSTRAINT IF EXISTS ck_mpm_plan_row_remaining_within_cost"
            )
        for statement in statements:
            assert connection.execute(statement).rowcount != 0
        connection.commit()
        connection.invalidate()  # the pragmas are the connection's


def payment(company, reference):
    query = sa.select(t.payments.c.id).where(t.payments.c.reference == reference)
    with company.engines.read.connect() as connection:
        return connection.execute(query).scalar_one()


def entry(company, reference, account):
    e = t.entries.c
    query = (
        sa.select(e.id, e.journal_id)
        .where(e.payment_id == payment(company, reference), e.account == account)
        .order_by(e.position)
    )
    with company.engines.read.connect() as connection:
        return connection.execute(query).first()


def update(table, row_id, **values):
    return sa.update(table).where(table.c.id == row_id).values(**values)


def test_verification_says_nothing_when_all_is_right(company):
    assert differences(company) == []


def test_every_check_asks_for_its_company(company):
    columns = {check.company.table.name for check in CHECKS}
    assert all(check.company.name == "company_id" for check in CHECKS)
    assert columns == {
        "mpm_entry", "mpm_payment", "mpm_customer", "mpm_plan", "mpm_plan_row", "mpm_access_debt",
        "mpm_token", "mpm_order", "mpm_attempt", "mpm_agent", "mpm_agent_receipt",
        "mpm_agent_entry", "mpm_push", "mpm_proposal", "mpm_switch", "mpm_device", "sold",
    }  # fmt: skip


def test_a_journal_that_does_not_sum_to_zero_is_told(company):
    clearing = entry(company, "MP-5", "clearing")
    corrupt(company, update(t.entries, clearing.id, amount=-6_999))

    assert differences(company) == [
        (
            f"umeme: journal {clearing.journal_id}: sum of its entries is 0.01 TZS, "
            "expected 0 TZS (I1)"
        ),
        (
            f"umeme: payment {payment(company, 'MP-5')} (unmatched): what the telecom owes for it "
            "is 69.99 TZS, expected 70 TZS (I5)"
        ),
    ]


def test_a_payment_that_differs_from_its_lines_is_told(company):
    payment_id = payment(company, "MP-5")
    corrupt(company, update(t.payments, payment_id, amount=8_000))

    assert differences(company) == [
        f"umeme: payment {payment_id} (unmatched): sum of its lines is 70 TZS, expected 80 TZS (I2)"
    ]


def test_entries_of_a_payment_that_is_not_booked_are_told(company):
    payment_id = payment(company, "MP-5")
    corrupt(company, update(t.payments, payment_id, status="denied"))

    assert differences(company) == [
        f"umeme: payment {payment_id} (denied): sum of its lines is 70 TZS, expected 0 TZS (I2)",
        f"umeme: payment {payment_id} (denied): number of its entries is 2, expected 0 (I2)",
    ]


def test_a_reversed_payment_must_be_booked_back(company):
    payment_id = payment(company, "MP-5")
    corrupt(company, update(t.payments, payment_id, status="reversed", reversing_at=company.now))

    assert differences(company) == [
        f"umeme: payment {payment_id} (reversed): sum of its lines is 70 TZS, expected 0 TZS (I2)",
        (
            f"umeme: payment {payment_id} (reversed): what is left of its suspense is 70 TZS, "
            "expected 0 TZS (I10)"
        ),
    ]


@pytest.mark.parametrize("remaining", [1, -1, 10**9], ids=["less", "below nothing", "above cost"])
def test_a_plan_row_that_differs_from_its_entries_is_told(company, remaining):
    with company.engines.read.connect() as connection:
        row = connection.execute(
            sa.select(t.plan_rows).order_by(t.plan_rows.c.due_on.desc())
        ).first()
    corrupt(company, update(t.plan_rows, row.id, remaining=remaining))

    [difference] = differences(company)

    assert difference.startswith(f"umeme: plan row {row.id}: remaining is ")
    assert difference.endswith("TZS, expected 0 TZS (I3)")


def test_an_access_debt_that_differs_from_its_entries_is_told(company):
    (debt, *_), *_ = company.rows(t.access_debts, "id", "remaining")
    corrupt(company, update(t.access_debts, debt, remaining=5))

    assert differences(company) == [
        f"umeme: access debt {debt}: remaining is 0.05 TZS, expected 0 TZS (I3)"
    ]


def test_an_entry_of_a_debt_that_is_not_there_is_told(company):
    found = entry(company, "MP-1", "access_rate")
    [debt] = {row["refers_to"] for row in company.rows(t.entries) if row["id"] == found.id}
    corrupt(company, update(t.entries, found.id, refers_to="gone"))

    assert differences(company) == [
        f"umeme: access debt {debt}: remaining is 0 TZS, expected 200 TZS (I3)",
        (
            f"umeme: entry {found.id}: what it refers to is gone, expected one of its customer's "
            "access debts (I3)"
        ),
    ]


def test_a_credit_that_differs_from_its_entries_is_told(company):
    [(customer, credit)] = [
        row for row in company.rows(t.customers, "id", "credit") if row[1] == 650_000
    ]
    corrupt(company, update(t.customers, customer, credit=credit + 1))

    assert differences(company) == [
        f"umeme: customer {customer}: credit is 6500.01 TZS, expected 6500 TZS (I4)"
    ]


def test_a_negative_credit_without_a_reversal_is_told(company):
    found = entry(company, "MP-4", "credit")
    clearing = entry(company, "MP-4", "clearing")
    payment_id = payment(company, "MP-4")
    customer = next(
        row["customer_id"] for row in company.rows(t.payments) if row["id"] == payment_id
    )
    corrupt(
        company,
        update(t.entries, found.id, amount=-1),
        update(t.entries, clearing.id, amount=-249_999),
        update(t.payments, payment_id, amount=249_999),
        update(t.customers, customer, credit=-1),
    )

    assert differences(company) == [
        (
            f"umeme: customer {customer}: credit is -0.01 TZS, expected 0 or more, as no payment "
            "was reversed (I4)"
        )
    ]


def test_an_entry_of_another_company_is_told(company):
    SmallCompany(company.engines, "solar", company.directory)
    found = entry(company, "MP-5", "suspense")
    corrupt(company, update(t.entries, found.id, company_id="company-solar"))

    told = differences(company)

    assert (
        f"solar: entry {found.id}: company and currency is company-solar and TZS, expected those "
        "of its payment, company-umeme and TZS (I11)" in told
    )


@pytest.mark.parametrize(
    ("order_status", "payment_status", "expected"),
    [
        pytest.param("issued", "held", "settled or reversed, as its orders ended well",
                     id="issued"),
        pytest.param("cancelled", "unknown", "settled or reversed, as its orders ended well",
                     id="cancelled"),
        pytest.param("queued", "settled", "token_pending, as an order is open", id="queued"),
        pytest.param("sent", "unknown", "token_pending, as an order is open", id="sent"),
        pytest.param("refused", "settled", "held or reversed, as an order was refused",
                     id="refused"),
        pytest.param("unknown", "token_pending", "unknown, as an order is in doubt", id="unknown"),
        pytest.param("parked", "held", "unknown, as an order is in doubt", id="parked"),
    ],
)  # fmt: skip
def test_a_status_that_disagrees_with_the_order_is_told(
    company, order_status, payment_status, expected
):
    payment_id = payment(company, "MP-2")
    corrupt(
        company,
        update(t.orders, order(company, "MP-2")["id"], status=order_status),
        update(t.payments, payment_id, status=payment_status),
    )

    assert (
        f"umeme: payment {payment_id}: status is {payment_status}, expected {expected} (I13)"
        in differences(company)
    )


def test_an_order_whose_place_another_took_does_not_count(company):
    refused = order(company, "MP-2")
    corrupt(
        company,
        update(t.orders, refused["id"], status="refused"),
        sa.insert(t.orders).values(
            **refused | {"id": new_identifier(), "follows_id": refused["id"], "purpose": "retry"}
        ),
    )

    assert differences(company) == []


def test_a_pending_payment_without_an_order_is_told(company):
    payment_id = payment(company, "MP-5")
    corrupt(company, update(t.payments, payment_id, status="token_pending"))

    assert differences(company) == [
        (
            f"umeme: payment {payment_id}: status is token_pending, expected validated or rejected "
            "or denied or unmatched or settled or reversed, as it has no order (I13)"
        ),
        (
            f"umeme: payment {payment_id} (token_pending): what is in suspense of it is 70 TZS, "
            "expected 0 TZS (I2)"
        ),
    ]


def order(company, reference):
    payment_id = payment(company, reference)
    return next(row for row in company.rows(t.orders) if row["payment_id"] == payment_id)


def test_an_issued_order_without_a_token_is_told(company):
    order_id = order(company, "MP-2")["id"]
    payment_id = payment(company, "MP-2")
    corrupt(
        company,
        update(t.orders, order_id, status="issued"),
        update(t.payments, payment_id, status="settled", settled_at=company.now),
    )

    assert differences(company) == [
        f"umeme: order {order_id} (issued): number of its tokens is 0, expected 1 (I13)"
    ]


def test_a_token_without_an_attempt_is_told(company):
    [(attempt, _), *_] = company.rows(t.attempts, "id", "order_id")
    [(token, _), *_] = company.rows(t.tokens, "id", "order_id")
    corrupt(company, update(t.attempts, attempt, outcome="refused"))

    assert differences(company) == [
        (
            f"umeme: token {token}: number of attempts that can have brought it is 0, expected 1 "
            "at least (I13)"
        )
    ]


def test_a_token_of_an_order_that_is_not_issued_is_told(company):
    [(token, order_id), *_] = company.rows(t.tokens, "id", "order_id")
    payment_id = payment(company, "MP-1")
    corrupt(
        company,
        update(t.orders, order_id, status="queued"),
        update(t.payments, payment_id, status="token_pending"),
    )

    assert differences(company) == [
        (
            f"umeme: token {token}: its order is {order_id}, which is not, expected an issued one "
            "of the same payment and device (I13)"
        )
    ]


def second_token(company, purpose):
    """Give the device another token of its payment, by an order of its own."""
    first = order(company, "MP-1")
    again = first | {"id": new_identifier(), "follows_id": first["id"], "purpose": purpose}
    shared = {"company_id": company.record.id, "order_id": again["id"]}
    token = {
        "id": new_identifier(), "payment_id": first["payment_id"],
        "device_id": first["device_id"], "kind": "energy", "delivery": "keypad",
        "codes": company.vault.seal_codes([Secret("3")]), "issued_at": company.now,
        "digest": company.vault.digest_codes([Secret("3")]),
    }  # fmt: skip
    attempt = {
        "id": new_identifier(), "number": 1, "at": company.now, "outcome": "issued", "plugin": "c",
    }  # fmt: skip
    corrupt(
        company,
        sa.insert(t.orders).values(again),
        sa.insert(t.attempts).values(attempt | shared),
        sa.insert(t.tokens).values(token | shared),
    )
    return first


def test_a_second_token_of_a_payment_is_told(company):
    first = second_token(company, "retry")

    told, followed = differences(company)
    assert told == (
        f"umeme: payment {first['payment_id']}: number of its tokens for device "
        f"{first['device_id']} is 2, expected 1 at most (I13)"
    )
    assert followed.endswith(
        f"(retry): the order whose place it took is {first['id']}, which is not, expected one of "
        "the same payment, device, kind and money that ended so (I13)"
    )


def test_a_second_token_that_people_ordered_is_right(company):
    first = second_token(company, "reissue")
    approve(company, first, "Anna@umeme.tz", "baraka@umeme.tz")

    assert differences(company) == []


def approve(company, order, proposed_by, decided_by):
    proposal = {
        "id": new_identifier(), "company_id": company.record.id, "order_id": order["id"],
        "payment_id": order["payment_id"], "kind": "reissue", "attempts": 1, "reason": "lost",
        "proposed_by": proposed_by, "proposed_at": company.now,
        "decided_by": decided_by, "decided_at": company.now, "approved": True,
    }  # fmt: skip
    corrupt(company, sa.insert(t.proposals).values(proposal))


@pytest.mark.parametrize("approver", [None, "anna@UMEME.tz"], ids=["nobody", "the same person"])
def test_a_second_token_that_no_two_people_ordered_is_told(company, approver):
    first = second_token(company, "reissue")
    if approver:
        approve(company, first, "anna@umeme.tz", approver)

    assert differences(company) == [
        (
            f"umeme: payment {first['payment_id']}: number of its tokens that were ordered again "
            "is 1, expected 0, as two people approved (I13)"
        )
    ]


def test_an_attempt_of_another_company_is_told(company):
    SmallCompany(company.engines, "solar", company.directory)
    attempt, order_id = company.rows(t.attempts, "id", "order_id")[0]
    corrupt(company, update(t.attempts, attempt, company_id="company-solar"))

    assert differences(company) == [
        (
            f"solar: attempt {attempt}: its order is {order_id}, which is not, expected one of "
            "its company (I11)"
        )
    ]


def test_clearing_that_differs_from_the_payment_is_told(company):
    """Money was moved from what the telecom owes for one payment to another's; all adds up."""
    shared = {
        "company_id": company.record.id, "journal_id": new_identifier(), "position": 0,
        "account": "clearing", "currency": "TZS", "at": company.now,
    }  # fmt: skip
    moved = [("MP-2", -500), ("MP-5", 500)]
    corrupt(
        company,
        *(
            sa.insert(t.entries).values(
                shared | {
                    "id": new_identifier(), "payment_id": payment(company, reference),
                    "amount": amount,
                }
            )
            for reference, amount in moved
        ),
    )  # fmt: skip

    assert sorted(differences(company)) == sorted(
        [
            (
                f"umeme: payment {payment(company, 'MP-2')} (token_pending): what the telecom owes "
                "for it is 305 TZS, expected 300 TZS (I5)"
            ),
            (
                f"umeme: payment {payment(company, 'MP-5')} (unmatched): what the telecom owes for "
                "it is 65 TZS, expected 70 TZS (I5)"
            ),
        ]
    )


@pytest.mark.parametrize(
    ("values", "found", "expected"),
    [
        pytest.param({"money": 79_000}, "790 TZS", "800 TZS", id="too cheap"),
        pytest.param({"unit_price": "0"}, "800 TZS", "a readable calculation", id="no price"),
        pytest.param(
            {"calculation": {"available": "99000", "energy_step": "100"}}, "800 TZS",
            "the most that 990 TZS buys", id="more could be bought",
        ),
        pytest.param(
            {"calculation": {"available": "70000", "energy_step": "100"}}, "800 TZS",
            "the most that 700 TZS buys", id="more than was there",
        ),
    ],
)  # fmt: skip
def test_energy_that_is_priced_wrongly_is_told(company, values, found, expected):
    company.now += timedelta(days=14)
    company.pay("47001234567", "1200", "MP-9")  # two access rates of 200 first
    found_order = order(company, "MP-9")
    assert found_order["money"] == 80_000
    corrupt(company, update(t.orders, found_order["id"], **values))

    told, *more = differences(company)
    assert told == (
        f"umeme: order {found_order['id']}: price of its energy is {found}, "
        f"expected {expected} (I9)"
    )
    line = f"umeme: payment {found_order['payment_id']}: what it sold as energy is 800 TZS, "
    assert more == (
        [f"{line}expected 790 TZS, as its orders say (I9)"] if "money" in values else []
    )


@pytest.mark.parametrize(
    ("reference", "account", "message"),
    [
        pytest.param("MP-5", "suspense", "suspense is 70 TZS, expected 0 TZS", id="suspense"),
        pytest.param(
            "MP-2", "energy", "energy is 300 TZS, expected 0 TZS, as nothing was delivered",
            id="undelivered energy",
        ),
    ],
)  # fmt: skip
def test_a_reversal_that_leaves_something_is_told(company, reference, account, message):
    """The counter-entry went to another account, so that journal and payment still add up."""
    payment_id = payment(company, reference)
    found = entry(company, reference, account)
    row = next(row for row in company.rows(t.entries) if row["id"] == found.id)
    amount = row["amount"]
    shared = {**row, "journal_id": new_identifier()}
    corrupt(
        company,
        sa.insert(t.entries).values(
            shared | {"id": new_identifier(), "account": "clearing", "amount": amount}
        ),
        sa.insert(t.entries).values(
            shared | {"id": new_identifier(), "account": "credit", "amount": -amount}
        ),
        update(t.payments, payment_id, status="reversed"),
    )

    assert (
        f"umeme: payment {payment_id} (reversed): what is left of its {message} (I10)"
    ) in differences(company)


def test_verification_of_one_company_is_silent_about_others(company):
    SmallCompany(company.engines, "solar", company.directory)
    corrupt(company, update(t.payments, payment(company, "MP-5"), amount=8_000))

    assert differences(company, company_id="company-solar") == []
    assert len(differences(company, company_id="company-umeme")) == 1


def test_verification_counts_accrued_access_rates_later_too(company):
    company.now += timedelta(days=365)
    company.pay("47001234567", "10000", "MP-6")

    assert differences(company) == []
