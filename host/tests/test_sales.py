"""Selling on a plan, and the tariffs, appliances and places that sales and registrations name."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import attrs
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpm_core import Money, UserError
from mpm_core.plans import Period
from mpm_host.database import tables as t
from mpm_host.registration.appliances import (
    ApplianceKind,
    StoredAppliance,
    create_appliance,
    find_appliances,
)
from mpm_host.registration.places import create_cluster, create_mini_grid, create_village
from mpm_host.registration.plan_terms import PlanTerms, prepare_sale
from mpm_host.registration.sales import SaleRequest, sell
from mpm_host.registration.tariff_book import (
    AccessRateTerms,
    TariffTerms,
    add_version,
    create_tariff,
    find_tariffs,
)
from tests.support.small_company import NOW, SmallCompany, company_record

LAMP = StoredAppliance(id="lamp", name="Lamp", kind=ApplianceKind.OTHER, price=0)


@pytest.fixture
def company(engines):
    return SmallCompany(engines)


@pytest.fixture
def sold(company):
    """Sell something in a transaction of its own."""

    def run(customer_id, appliance_id, terms, serial=None):
        request = SaleRequest(
            customer_id=customer_id, appliance_id=appliance_id, terms=terms, device_serial=serial
        )
        with company.engines.write.begin() as connection:
            return sell(connection, company.record, request, company.now).plan_id

    return run


def tzs(text):
    return Money.parse(text, "TZS")


def terms(**given):
    return PlanTerms(**{"cost": tzs("300"), "instalments": 3} | given)


# --- plans ----------------------------------------------------------------------------------------


def test_a_plain_appliance_is_sold_without_a_device(company, sold):
    customer = company.meter().customer_id
    lamp = company.appliance("Lamp", ApplianceKind.OTHER)

    plan_id = sold(customer, lamp, terms(period=Period.WEEKLY, first_due_on=date(2026, 3, 9)))

    columns = ("id", "kind", "customer_id", "device_id", "device_serial", "period", "sold_on")
    assert company.rows(t.plans, *columns) == [
        (plan_id, "appliance", customer, None, None, "weekly", date(2026, 3, 2))
    ]
    assert sorted(company.rows(t.plan_rows, "due_on", "cost", "remaining")) == [
        (date(2026, 3, 9), 10_000, 10_000),
        (date(2026, 3, 16), 10_000, 10_000),
        (date(2026, 3, 23), 10_000, 10_000),
    ]


def test_an_instalment_cost_leaves_the_rest_for_the_last_row(company, sold):
    customer = company.meter().customer_id
    lamp = company.appliance("Lamp", ApplianceKind.OTHER)

    sold(customer, lamp, terms(instalments=None, instalment_cost=tzs("120")))

    assert sorted(company.rows(t.plan_rows, "due_on", "cost")) == [
        (date(2026, 4, 2), 12_000),
        (date(2026, 5, 2), 12_000),
        (date(2026, 6, 2), 6_000),
    ]


def test_energy_as_a_service_has_a_price_per_day_and_no_rows(company, sold):
    home = company.home()
    [(appliance,)] = company.rows(t.appliances, "id")

    sold(
        home.customer_id,
        appliance,
        PlanTerms(price_per_day=tzs("500"), minimum_payment=tzs("1000")),
        "12345678",
    )

    columns = ("kind", "price_per_day", "minimum_payment", "cost", "period", "device_serial")
    assert company.rows(t.plans, *columns) == [("shs", 50_000, 100_000, 0, None, "12345678")]
    assert company.rows(t.plan_rows) == []


def test_a_device_without_owner_becomes_the_buyers(company, sold):
    home = company.home()
    [(appliance,)] = company.rows(t.appliances, "id")
    with company.engines.write.begin() as connection:
        connection.execute(sa.update(t.devices).values(customer_id=None))

    sold(home.customer_id, appliance, terms(), "12345678")

    assert company.rows(t.devices, "customer_id") == [(home.customer_id,)]


def test_a_device_with_an_open_plan_is_not_sold_again(company, sold):
    home = company.home(sale=terms())
    [(appliance,)] = company.rows(t.appliances, "id")

    with pytest.raises(UserError) as refusal:
        sold(home.customer_id, appliance, terms(), "12345678")

    assert refusal.value.code == "plan_open"
    assert str(refusal.value) == (
        "Device '12345678' has a plan that is not paid off; end that one first."
    )


def test_a_device_whose_plan_is_paid_off_may_be_sold_again(company, sold):
    home = company.home(sale=terms())
    [(appliance,)] = company.rows(t.appliances, "id")
    with company.engines.write.begin() as connection:
        connection.execute(sa.update(t.plan_rows).values(remaining=0))

    second = sold(home.customer_id, appliance, terms(), "12345678")

    assert sorted(company.rows(t.plans, "id", "live")) == [(home.plan_id, False), (second, True)]


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        pytest.param(
            {"customer_id": "nobody"},
            "unknown_customer",
            "The company has no customer with id 'nobody'.",
            id="unknown customer",
        ),
        pytest.param(
            {"appliance_id": "lamp"},
            "unknown_appliance",
            "The company has no appliance with id 'lamp'.",
            id="unknown appliance",
        ),
        pytest.param(
            {"serial": "1"},
            "unknown_serial",
            "The company has no device '1'; register it first.",
            id="unknown serial",
        ),
        pytest.param(
            {"serial": "47001234567"},
            "device_owned",
            "Device '47001234567' belongs to another customer; move it to this one first.",
            id="somebody else's device",
        ),
        pytest.param(
            {"serial": None},
            "device_required",
            "Appliance 'Home of 12345678' is sold with a device; give the serial of its shs.",
            id="home without device",
        ),
    ],
)
def test_a_sale_is_refused_and_writes_nothing(company, sold, change, code, message):
    home = company.home()
    company.meter()
    [(appliance,)] = company.rows(t.appliances, "id")
    before = company.count_rows()

    with pytest.raises(UserError) as refusal:
        sold(
            **{
                "customer_id": home.customer_id,
                "appliance_id": appliance,
                "terms": terms(),
                "serial": "12345678",
            }
            | change
        )

    assert (refusal.value.code, str(refusal.value)) == (code, message)
    assert company.count_rows() == before


def test_a_meter_is_not_sold_as_a_solar_home_system(company, sold):
    customer = company.meter().customer_id

    with pytest.raises(UserError) as refusal:
        sold(customer, company.appliance(), terms(), "47001234567")

    assert refusal.value.code == "kind_mismatch"
    assert str(refusal.value) == (
        "Device '47001234567' is of kind meter, but appliance 'Home 40' is of kind shs."
    )


def test_a_plain_appliance_has_no_serial(company, sold):
    customer = company.meter().customer_id

    with pytest.raises(UserError) as refusal:
        sold(customer, company.appliance("Lamp", ApplianceKind.OTHER), terms(), "47001234567")

    assert refusal.value.code == "device_forbidden"
    assert str(refusal.value) == (
        "Appliance 'Lamp' is a plain one without a device; leave the serial out."
    )


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        pytest.param(
            {"instalments": None},
            "terms_invalid",
            "Give exactly one of instalments, instalment_cost and price_per_day.",
            id="no way to pay",
        ),
        pytest.param(
            {"cost": None},
            "terms_invalid",
            "A plan with instalments needs the cost of what is sold.",
            id="no cost",
        ),
        pytest.param(
            {"cost": tzs("0")}, "terms_invalid", "The cost is 0; it must be more.", id="free"
        ),
        pytest.param(
            {"instalments": None, "price_per_day": tzs("0")},
            "terms_invalid",
            "The price per day is 0; it must be more.",
            id="days for free",
        ),
        pytest.param(
            {"cost": Money(1, "KES")},
            "amount_invalid",
            "The cost is in KES; the company's currency is TZS.",
            id="foreign currency",
        ),
        pytest.param(
            {"cost": Money(-1, "TZS")},
            "amount_invalid",
            "The cost is -0.01; it must be 0 or more.",
            id="negative cost",
        ),
        pytest.param(
            {"down_payment": tzs("1000000000")},
            "down_payment_invalid",
            "The down payment must be between 0 and the cost of what is sold.",
            id="down payment above the cost",
        ),
        pytest.param(
            {"instalments": 0},
            "count_invalid",
            "A plan of 0 instalments is not possible; choose 1 to 1000.",
            id="no instalments",
        ),
        pytest.param(
            {"first_due_on": date(9999, 12, 31)},
            "date_invalid",
            "The first due day is 9999-12-31; write a day between 2000-01-01 and 2100-12-31.",
            id="end of time",
        ),
    ],
)
def test_terms_that_make_no_plan_are_refused(given, code, message):
    with pytest.raises(UserError) as refusal:
        prepare_sale(company_record(), "customer", LAMP, None, terms(**given), NOW)

    assert (refusal.value.code, str(refusal.value)) == (code, message)


@given(
    cost=st.integers(1, 10**10),
    count=st.integers(1, 400),
    period=st.sampled_from(Period),
    day=st.dates(date(2000, 1, 1), date(2100, 12, 31)),
)
def test_the_rows_of_a_plan_sum_to_its_cost_and_follow_in_time(cost, count, period, day):
    agreed = PlanTerms(cost=Money(cost, "TZS"), instalments=count, period=period, sold_on=day)
    if cost < count:
        return

    writes = prepare_sale(company_record(), "customer", LAMP, None, agreed, NOW)

    days = [row["due_on"] for row in writes.rows]
    assert sum(row["cost"] for row in writes.rows) == cost
    assert [row["remaining"] for row in writes.rows] == [row["cost"] for row in writes.rows]
    assert days == sorted(set(days))
    assert days[0] > day


# --- tariffs --------------------------------------------------------------------------------------


def in_company(company, service, *arguments):
    with company.engines.write.begin() as connection:
        return service(connection, company.record, *arguments, NOW)


FULL = TariffTerms(
    price_per_kwh=Decimal("0.000001"),
    components={"tax": Decimal("12.5")},
    minimum_purchase=tzs("500"),
    access_rate=AccessRateTerms(amount=tzs("2000"), period_days=30),
)


def stored(company, tariff_id):
    with company.engines.read.connect() as connection:
        return find_tariffs(connection, company.record, ids=[tariff_id])[tariff_id]


def test_a_tariff_is_read_as_it_was_written(company):
    tariff_id = in_company(company, create_tariff, " Household ", FULL)

    found = stored(company, tariff_id)

    assert (found.name, found.version, found.access_period_days) == ("Household", 1, 30)
    assert found.tariff.total_price == Decimal("12.500001")
    assert found.tariff.minimum_purchase == 50_000
    assert found.tariff.access_rate.amount == 200_000


def test_a_new_version_leaves_the_old_one_as_it_was(company):
    tariff_id = in_company(company, create_tariff, "Household", FULL)

    version = in_company(
        company, add_version, tariff_id, attrs.evolve(FULL, price_per_kwh=Decimal(2))
    )

    assert version == 2
    assert stored(company, tariff_id).tariff.price_per_kwh == 2
    assert sorted(company.rows(t.tariff_versions, "version", "price_per_kwh")) == [
        (1, "0.000001"),
        (2, "2"),
    ]


def test_an_access_rate_of_nothing_is_none(company):
    terms = attrs.evolve(FULL, access_rate=AccessRateTerms(amount=tzs("0"), period_days=30))

    assert (
        stored(company, in_company(company, create_tariff, "A", terms)).access_period_days is None
    )


@pytest.mark.parametrize(
    ("terms", "code", "message"),
    [
        pytest.param(
            attrs.evolve(FULL, price_per_kwh=Decimal("0.0000001")),
            "tariff_invalid",
            "The tariff is wrong: Tariff.price_per_kwh is 1E-7; a price has at most 6 decimals.",
            id="too many decimals",
        ),
        pytest.param(
            attrs.evolve(FULL, components={"tax": Decimal(-1)}),
            "tariff_invalid",
            "The tariff is wrong: PriceComponent.price_per_kwh is -1; a price per kWh is between 0 "
            "and 10^12.",
            id="negative component",
        ),
        pytest.param(
            attrs.evolve(FULL, minimum_purchase=Money(1, "KES")),
            "amount_invalid",
            "The minimum purchase is in KES; the company's currency is TZS.",
            id="foreign minimum",
        ),
        pytest.param(
            attrs.evolve(FULL, access_rate=AccessRateTerms(amount=tzs("1"), period_days=0)),
            "tariff_invalid",
            "The access rate's period is 0 days; write 1 to 3650.",
            id="no period",
        ),
    ],
)
def test_a_tariff_that_cannot_be_is_refused(company, terms, code, message):
    with pytest.raises(UserError) as refusal:
        in_company(company, create_tariff, "Household", terms)

    assert (refusal.value.code, str(refusal.value)) == (code, message)
    assert company.rows(t.tariffs) == []


def test_a_version_of_an_unknown_tariff_is_refused(company):
    in_company(company, create_tariff, "Household", FULL)

    with pytest.raises(UserError) as refusal:
        in_company(company, add_version, "x", FULL)

    assert (refusal.value.code, str(refusal.value)) == (
        "unknown_tariff",
        "The company has no tariff with id 'x'.",
    )


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(price=st.decimals(0, 10**9, places=6, allow_nan=False))
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_price_is_read_back_exactly(company, price):
    name = f"Tariff {len(company.rows(t.tariffs))}"
    tariff_id = in_company(company, create_tariff, name, TariffTerms(price_per_kwh=price))

    assert stored(company, tariff_id).tariff.price_per_kwh == price


# --- places and appliances ------------------------------------------------------------------------


def test_names_of_places_are_unique_in_their_parent_only(company):
    north = in_company(company, create_cluster, "North")
    south = in_company(company, create_cluster, " South ")
    first = in_company(company, create_mini_grid, north, "Grid")
    second = in_company(company, create_mini_grid, south, "Grid")
    in_company(company, create_village, first, "Village")
    in_company(company, create_village, second, "Village")

    for service, arguments, where in (
        (create_cluster, ("South",), "the company"),
        (create_mini_grid, (north, "Grid"), "its cluster"),
        (create_village, (first, "Village"), "its mini-grid"),
    ):
        with pytest.raises(UserError) as refusal:
            in_company(company, service, *arguments)
        assert refusal.value.code == "name_taken"
        assert str(refusal.value) == (
            f"The name {arguments[-1]!r} is taken in {where}; choose another or use that one."
        )


@pytest.mark.parametrize(
    ("service", "code", "what"),
    [
        pytest.param(create_mini_grid, "unknown_cluster", "cluster", id="mini-grid"),
        pytest.param(create_village, "unknown_mini_grid", "mini-grid", id="village"),
    ],
)
def test_a_place_needs_a_parent_of_its_own_company(engines, company, service, code, what):
    other = SmallCompany(engines, "solar")
    cluster = in_company(other, create_cluster, "North")
    parents = {"cluster": cluster, "mini-grid": in_company(other, create_mini_grid, cluster, "G")}

    with pytest.raises(UserError) as refusal:
        in_company(company, service, parents[what], "Village")

    assert refusal.value.code == code
    assert str(refusal.value) == f"The company has no {what} with id {parents[what]!r}."


def test_an_appliance_has_one_name_in_its_company(engines, company):
    other = SmallCompany(engines, "solar")
    other.appliance("Lamp")
    lamp = in_company(company, create_appliance, "Lamp", ApplianceKind.OTHER, tzs("99.50"))

    with pytest.raises(UserError) as refusal:
        in_company(company, create_appliance, " Lamp ", ApplianceKind.SHS, tzs("1"))

    assert refusal.value.code == "name_taken"
    assert str(refusal.value) == (
        "The company has an appliance 'Lamp' already; use that one or choose another name."
    )
    with engines.read.connect() as connection:
        assert find_appliances(connection, company.record, names=["Lamp"]) == {
            lamp: StoredAppliance(id=lamp, name="Lamp", kind=ApplianceKind.OTHER, price=9_950)
        }
