"""Companies whose clocks go forward and back: a day is their date, a paid day is 24 hours (T12).

Access rates fall due and instalments become debts by the company's date, which changes at its own
midnight, also where that comes an hour early, an hour late or not at all.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import attrs
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from mpm_core import Charge, ChargeKind, Money
from mpm_core.plans import Period
from mpm_core.tariffs import next_boundary, passed_boundaries
from mpm_host.database import tables as t
from mpm_host.directory import Directory
from mpm_host.orders.switch_rows import extend_switch, keep_switch
from mpm_host.payments.access_accrual import AccessAccrual
from mpm_host.registration.appliances import ApplianceKind
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.sales import SaleRequest, sell
from tests.support.small_company import SmallCompany, company_record, small_directory

ZONES = ["Africa/Cairo", "Africa/Casablanca", "Europe/Berlin", "Asia/Beirut", "America/Havana"]
# Days on which clocks change; Cairo's and Beirut's do it at midnight.
CHANGES = [
    ("Africa/Cairo", date(2026, 4, 24)),
    ("Africa/Cairo", date(2026, 10, 30)),
    ("Africa/Casablanca", date(2026, 2, 15)),
    ("Africa/Casablanca", date(2026, 3, 22)),
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("Asia/Beirut", date(2026, 3, 29)),
]
IDS = [f"{zone}-{day}" for zone, day in CHANGES]
SECOND = timedelta(seconds=1)


def in_zone(zone):
    """Return a directory whose company lives there."""
    plain = small_directory("umeme")
    record = company_record("umeme")
    company = attrs.evolve(record.company, timezone=zone)
    record = attrs.evolve(record, company=company, zone=ZoneInfo(zone))
    return Directory(companies={record.id: record}, instances=plain.instances)


def record_of(zone):
    [record] = in_zone(zone).companies.values()
    return record


def midnight(zone, day):
    """Return the first moment of a day there, found by looking at every minute."""
    record = record_of(zone)
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=15)
    while record.today(moment) < day:
        moment += timedelta(minutes=1)
    return moment


class Company(SmallCompany):
    """A company in a zone of its own, with a clock that a test moves."""

    def __init__(self, engines, zone, now):
        super().__init__(engines, directory=in_zone(zone))
        self.now = now

    def accrue(self):
        """Run the daily accrual."""
        return AccessAccrual(
            engines=self.engines, clock=lambda: self.now, directory=lambda: self.directory
        ).run()


MOMENTS = st.datetimes(datetime(2015, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


@given(zone=st.sampled_from(ZONES), first=MOMENTS, seconds=st.integers(0, 10 * 86_400))
def test_a_company_s_date_never_goes_back(zone, first, seconds):
    record = record_of(zone)
    assert record.today(first) <= record.today(first + timedelta(seconds=seconds))


@given(zone=st.sampled_from(ZONES), moment=MOMENTS)
def test_a_company_s_date_leaves_no_day_out(zone, moment):
    record = record_of(zone)
    step = record.today(moment + timedelta(hours=23)) - record.today(moment)
    assert step <= timedelta(days=1)


@given(
    zone=st.sampled_from(ZONES),
    start=MOMENTS,
    looks=st.lists(st.integers(1, 20 * 86_400), max_size=12),
    period=st.integers(1, 31),
)
def test_boundaries_are_the_same_however_often_somebody_looks(zone, start, looks, period):
    record = record_of(zone)
    first = due = record.today(start) + timedelta(days=period)
    seen, now = [], start
    for seconds in looks:
        now += timedelta(seconds=seconds)
        today = record.today(now)
        seen += passed_boundaries(due, period, today)
        due = next_boundary(due, period, today)
    assert tuple(seen) == passed_boundaries(first, period, record.today(now))


@pytest.mark.parametrize(("zone", "day"), CHANGES, ids=IDS)
def test_an_access_rate_falls_due_once_at_the_company_s_midnight(engines, zone, day):
    begins = midnight(zone, day)
    company = Company(engines, zone, begins - timedelta(days=6, hours=12))
    company.meter(access_rate="200", period_days=7)
    due_on = company.record.today(company.now) + timedelta(days=7)
    company.now = midnight(zone, due_on) - SECOND
    made = [company.accrue()]
    company.now += SECOND
    made += [company.accrue(), company.accrue()]
    for _ in range(30):  # every hour of the day on which the clocks change, and after it
        company.now += timedelta(hours=1)
        made.append(company.accrue())
    assert made == [0, 1, *[0] * 31]
    assert company.rows(t.access_debts, "due_on", "remaining") == [(due_on, 20_000)]


@pytest.mark.parametrize(("zone", "day"), CHANGES, ids=IDS)
def test_an_instalment_is_debt_from_the_company_s_next_midnight(engines, zone, day):
    company = Company(engines, zone, midnight(zone, day) - timedelta(days=7, hours=2))
    company.meter("47001234567")
    owner = company.rows(t.devices, "customer_id")[0][0]
    sold_on = day - timedelta(days=8)
    mill = company.appliance("Mill", kind=ApplianceKind.OTHER)
    terms = PlanTerms(
        cost=company.money("3000"), instalments=3, period=Period.WEEKLY, sold_on=sold_on
    )
    request = SaleRequest(customer_id=owner, appliance_id=mill, terms=terms)
    with engines.write.begin() as connection:
        sell(connection, company.record, request, company.now)
    # The first instalment is due on the day before the clocks change.
    company.now = midnight(zone, day) - SECOND
    before = company.pay("47001234567", "100", "BEFORE")
    company.now += SECOND
    after = company.pay("47001234567", "100", "AFTER")
    e = t.entries.c
    with engines.read.connect() as connection:
        booked = {
            payment_id: {
                row.account
                for row in connection.execute(
                    sa.select(e.account).where(e.payment_id == payment_id)
                )
            }
            for payment_id in (before, after)
        }
    assert "instalment" not in booked[before]
    assert "instalment" in booked[after]
    assert company.rows(t.payments, "booked_on") == [(day - timedelta(days=1),), (day,)]


@pytest.mark.parametrize(("zone", "day"), CHANGES, ids=IDS)
def test_a_bike_s_paid_day_has_24_hours_whatever_the_clocks_do(engines, zone, day):
    company = Company(engines, zone, midnight(zone, day) - timedelta(hours=12))
    company.home()
    [(device_id,)] = company.rows(t.devices, "id")
    charge = Charge(kind=ChargeKind.TIME, money=Money(10_000, "TZS"), quantity=2)
    with engines.write.begin() as connection:
        keep_switch(connection, company.record.id, device_id, company.now)
        extend_switch(connection, device_id, charge, company.now)
        extend_switch(connection, device_id, charge, company.now)
    assert company.rows(t.switches, "paid_until") == [(company.now + timedelta(hours=96),)]
