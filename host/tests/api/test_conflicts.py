"""Calls that contradict a known payment: one event per difference (T-54, T-55, T-56)."""

from __future__ import annotations

import attrs
import pytest
import sqlalchemy as sa

from host.tests.api.worlds import Shop
from mpm_core import Money, Msisdn, ProcessRequest, Reply, ValidationRequest
from mpm_host.database import tables as t
from mpm_host.payments.booking import Accept, Book, Intend
from mpm_host.verification.verification import verify

METER = "47001234567"


@pytest.fixture
def paid(installation, umeme):
    """A payment of 1000 under reference R1."""
    Shop(umeme).meter(METER)
    return Paid(installation, umeme)


class Paid:
    def __init__(self, installation, api):
        self.installation, self.api = installation, api
        self.id = installation.pay(METER, "1000", "R1")

    def command(self, **changes):
        host = self.installation.host
        directory = host.house.directory
        company = directory.by_slug["umeme"]
        given = {
            "reference": "R1",
            "serial": METER,
            "amount": Money.parse("1000", "TZS"),
            "payer": Msisdn.parse("0712345678", "TZ"),
        }
        return Accept(
            instance=directory.instance_named(company.id, "airtel"),
            request=ProcessRequest(**given | changes),
            reply=Reply(status=200, content_type="text/plain", body=b"ok"),
        )

    def book(self, *commands):
        host = self.installation.host
        book = Book(
            vault=host.vault, clock=self.installation.clock, directory=lambda: host.house.directory
        )
        with host.engines.write.begin() as connection:
            return [outcome.decision.value for outcome in book(connection, commands)]

    def conflicts(self):
        shown = self.api.ok("GET", f"/payments/{self.id}")
        return shown["conflict"], [each["detail"] for each in shown["events"]]


@pytest.mark.parametrize("batched", [True, False], ids=["in one batch", "one after the other"])
def test_t_55_the_same_difference_is_one_event_however_often_it_comes(paid, batched):
    wrong = paid.command(amount=Money.parse("900", "TZS"))
    if batched:
        assert paid.book(wrong, wrong, wrong) == ["conflict"] * 3
    for _ in range(3):
        assert paid.book(wrong) == ["conflict"]
    assert paid.conflicts() == (True, ["paid with another amount: 900 instead of 1000"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param(
            {"amount": Money.parse("900.50", "TZS")},
            "paid with another amount: 900.50 instead of 1000",
            id="T-54 amount",
        ),
        pytest.param(
            {"serial": "47009999999"},
            "paid with another serial: '47009999999' instead of '47001234567'",
            id="T-54 serial",
        ),
        pytest.param(
            {"payer": Msisdn.parse("0799999999", "TZ")},
            "paid with another payer: +255•••••••99",
            id="T-54 payer, masked",
        ),
        pytest.param(
            {"amount": Money.parse("900", "TZS"), "receipt": "MP7"},
            "paid with another amount: 900 instead of 1000 (receipt MP7)",
            id="T-56 receipt",
        ),
    ],
)
def test_t_54_and_t_56_an_event_says_what_differs_and_keeps_the_receipt(paid, changes, said):
    assert paid.book(paid.command(**changes)) == ["conflict"]
    assert paid.conflicts() == (True, [said])


def test_another_difference_is_another_event_and_books_nothing(paid):
    amounts = [Money.parse(text, "TZS") for text in ("900", "800", "900", "800")]
    paid.book(*(paid.command(amount=amount) for amount in amounts))
    assert paid.conflicts() == (
        True,
        [
            "paid with another amount: 900 instead of 1000",
            "paid with another amount: 800 instead of 1000",
        ],
    )
    with paid.installation.host.engines.read.connect() as connection:
        query = sa.select(sa.func.sum(t.entries.c.amount)).where(t.entries.c.account == "energy")
        assert int(connection.scalar(query)) == 100_000
    assert paid.book(paid.command()) == ["accepted"]


@pytest.mark.parametrize("batched", [True, False], ids=["in one batch", "one after the other"])
@pytest.mark.parametrize(
    ("order", "decisions", "sums"),
    [
        pytest.param(
            "push, call",
            ["accepted", "conflict"],
            {"clearing": -190_000, "energy": 100_000, "suspense": 90_000},
            id="the push first",
        ),
        pytest.param(
            "call, push",
            ["accepted", "accepted"],
            {"clearing": -200_000, "energy": 200_000},
            id="the call first",
        ),
    ],
)
def test_a_push_paid_with_another_amount_and_a_call_for_it_book_once(
    paid, batched, order, decisions, sums
):
    """Money of a push cannot be refused, and is never booked beside what a call booked."""
    call = paid.command(reference="R2")
    push = attrs.evolve(paid.command(reference="R2", amount=Money.parse("900", "TZS")), reply=None)
    asked = {"serial": METER, "amount": call.request.amount, "reference": "R2"}
    intend = Intend(
        instance=call.instance,
        request=ValidationRequest(**asked, payer=call.request.payer),
        objection=None,
        device_kind="meter",
    )
    commands = [{"push": push, "call": call}[each] for each in order.split(", ")]
    assert paid.book(intend) == ["validated"]
    if batched:
        assert paid.book(*commands) == decisions
    else:
        assert [paid.book(command) for command in commands] == [[each] for each in decisions]
    assert paid.book(push, push) == ["accepted", "accepted"]
    with paid.installation.host.engines.read.connect() as connection:
        e = t.entries.c
        query = sa.select(e.account, sa.func.sum(e.amount)).group_by(e.account)
        assert {account: int(total) for account, total in connection.execute(query)} == sums
        assert [str(difference) for difference in verify(connection)] == []
