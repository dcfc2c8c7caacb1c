"""Registration: a customer and their device in one, or nothing at all."""

from __future__ import annotations

import json
from datetime import date

import attrs
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpm_core import DeviceKind, Manifest, PluginKind, Secret, UserError
from mpm_core import setting as field
from mpm_host.database import tables as t
from mpm_host.registration.appliances import ApplianceKind
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.registration import (
    ExistingCustomer,
    NewCustomer,
    NewDevice,
    RegistrationRequest,
)
from tests.support.small_company import SmallCompany, small_directory

ASHA = NewCustomer(name=" Asha ", surname="Juma", phone="0712 345 678")


@attrs.frozen(kw_only=True)
class MeterDetails:
    sgc: int = field(help="Supply group code.", minimum=1)
    key: Secret = field(help="Vending key.")


@pytest.fixture
def company(engines):
    return SmallCompany(engines)


@pytest.fixture
def meter(company):
    """A request that is right in every way."""
    return RegistrationRequest(
        customer=ASHA,
        village_id=company.village(),
        device=NewDevice(kind=DeviceKind.METER, serial=" 047001 ", manufacturer="calin"),
        tariff_id=company.tariff(access_rate="2000", period_days=30),
    )


@pytest.fixture
def home(company):
    return RegistrationRequest(
        customer=ASHA,
        village_id=company.village("Bukoba"),
        device=NewDevice(
            kind=DeviceKind.SHS,
            serial="12345678",
            manufacturer="sunking",
            appliance_id=company.appliance(),
        ),
    )


def with_device(request, **changes):
    return attrs.evolve(request, device=attrs.evolve(request.device, **changes))


def test_registration_stores_a_new_customer_and_their_meter(company, meter):
    registered = company.register(meter)

    assert company.rows(t.customers) == [
        {
            "id": registered.customer_id,
            "company_id": company.record.id,
            "village_id": meter.village_id,
            "name": "Asha",
            "surname": "Juma",
            "phone": "+255712345678",
            "credit": 0,
            "created_at": company.now,
            "deleted_at": None,
        }
    ]
    [device] = company.rows(t.devices)
    work = {"next_at", "failures", "handed"}  # of the look-up at the manufacturer, not ours
    assert {name: value for name, value in device.items() if name not in work} == {
        "id": registered.device_id,
        "company_id": company.record.id,
        "customer_id": registered.customer_id,
        "village_id": meter.village_id,
        "kind": "meter",
        "serial": "047001",
        "instance_id": "calin-umeme",
        "tariff_id": meter.tariff_id,
        "appliance_id": None,
        "details": None,
        "state": {},
        "state_version": 0,
        "work_failures": 0,
        "set_aside_at": None,
        "mapping": "unknown",
        "access_due_on": date(2026, 4, 1),  # thirty days after the company's 2 March
        "created_at": company.now,
    }
    assert registered.plan_id is None


def test_registration_counts_the_access_rate_from_the_day_given(company, meter):
    company.register(attrs.evolve(meter, registered_on=date(2026, 1, 10)))

    assert company.rows(t.devices, "access_due_on") == [(date(2026, 2, 9),)]


def test_registration_without_access_rate_sets_no_boundary(company, meter):
    company.register(attrs.evolve(meter, tariff_id=company.tariff("Plain")))

    assert company.rows(t.devices, "access_due_on") == [(None,)]


def test_registration_adds_a_device_to_an_existing_customer(company, meter, home):
    first = company.register(meter)

    second = company.register(attrs.evolve(home, customer=ExistingCustomer(id=first.customer_id)))

    assert second.customer_id == first.customer_id
    assert len(company.rows(t.customers)) == 1


def test_registration_sells_the_device_on_a_plan_from_the_day_of_registration(company, home):
    terms = PlanTerms(cost=company.money("1000"), instalments=3)
    registered = company.register(attrs.evolve(home, sale=terms, registered_on=date(2026, 1, 31)))

    [plan] = company.rows(t.plans)
    assert {name: value for name, value in plan.items() if name != "deleted_at"} == {
        "id": registered.plan_id,
        "company_id": company.record.id,
        "customer_id": registered.customer_id,
        "device_id": registered.device_id,
        "appliance_id": home.device.appliance_id,
        "kind": "shs",
        "device_serial": "12345678",
        "live": True,
        "sold_on": date(2026, 1, 31),
        "cost": 100_000,
        "down_payment": 0,
        "currency": "TZS",
        "period": "monthly",
        "price_per_day": None,
        "minimum_payment": 0,
        "created_at": company.now,
    }
    rows = company.rows(t.plan_rows, "plan_id", "customer_id", "due_on", "cost", "remaining")
    assert sorted(rows) == [
        (plan["id"], plan["customer_id"], date(2026, 2, 28), 33_333, 33_333),
        (plan["id"], plan["customer_id"], date(2026, 3, 31), 33_333, 33_333),
        (plan["id"], plan["customer_id"], date(2026, 4, 30), 33_334, 33_334),
    ]


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        pytest.param(
            lambda r: attrs.evolve(r, village_id=None),
            "village_required",
            "Every device stands in a village; name one.",
            id="no village",
        ),
        pytest.param(
            lambda r: attrs.evolve(r, village_id="nowhere"),
            "unknown_village",
            "The company has no village with id 'nowhere'; create it first.",
            id="unknown village",
        ),
        pytest.param(
            lambda r: attrs.evolve(r, customer=ExistingCustomer(id="nobody")),
            "unknown_customer",
            "The company has no customer with id 'nobody'.",
            id="unknown customer",
        ),
        pytest.param(
            lambda r: attrs.evolve(r, customer=attrs.evolve(ASHA, phone="12")),
            "phone_invalid",
            "The phone cannot be used: a text of 2 characters is not a phone number of TZ or in "
            "+… form.",
            id="no phone",
        ),
        pytest.param(
            lambda r: attrs.evolve(r, customer=attrs.evolve(ASHA, name=" ")),
            "name_invalid",
            "The name is empty; write a name.",
            id="no name",
        ),
        pytest.param(
            lambda r: attrs.evolve(r, customer=attrs.evolve(ASHA, surname="Ju\x00ma")),
            "name_invalid",
            "The surname 'Ju\\x00ma' has characters that cannot be shown; remove them.",
            id="unprintable surname",
        ),
        pytest.param(
            lambda r: attrs.evolve(r, customer=attrs.evolve(ASHA, name="x" * 201)),
            "name_invalid",
            f"The name '{'x' * 40}'… is too long; use 200 characters at most.",
            id="long name",
        ),
        pytest.param(
            lambda r: with_device(r, serial="  "),
            "serial_invalid",
            "The serial is empty; write the device's.",
            id="no serial",
        ),
        pytest.param(
            lambda r: with_device(r, serial="4\x007"),
            "serial_invalid",
            "The serial '4\\x007' cannot be one; write what is printed on the device, 64 "
            "characters at most.",
            id="unprintable serial",
        ),
        pytest.param(
            lambda r: with_device(r, manufacturer="acme"),
            "plugin_not_enabled",
            "The company has no manufacturer 'acme'; enable it, or name another instance.",
            id="unknown manufacturer",
        ),
        pytest.param(
            lambda r: with_device(r, manufacturer="resting"),
            "plugin_not_enabled",
            "Manufacturer 'resting' is disabled; enable it, or name another instance.",
            id="disabled manufacturer",
        ),
        pytest.param(
            lambda r: with_device(r, manufacturer="airtel"),
            "plugin_not_enabled",
            "'airtel' is a telecom, not a manufacturer.",
            id="telecom as manufacturer",
        ),
        pytest.param(
            lambda r: with_device(r, manufacturer="sunking"),
            "device_kind_unsupported",
            "Manufacturer 'sunking' serves e_bike, shs, not meter.",
            id="manufacturer of other kinds",
        ),
        pytest.param(
            lambda r: attrs.evolve(r, tariff_id=None),
            "tariff_required",
            "A meter needs a tariff; name one.",
            id="meter without tariff",
        ),
        pytest.param(
            lambda r: attrs.evolve(r, tariff_id="free"),
            "unknown_tariff",
            "The company has no tariff with id 'free'.",
            id="unknown tariff",
        ),
        pytest.param(
            lambda r: with_device(r, appliance_id="lamp"),
            "appliance_forbidden",
            "A meter is not sold on a plan; leave appliance and sale out.",
            id="meter as appliance",
        ),
        pytest.param(
            lambda r: attrs.evolve(r, registered_on=date(1926, 3, 1)),
            "date_invalid",
            "The day of registration is 1926-03-01; write a day between 2000-01-01 and 2100-12-31.",
            id="another century",
        ),
    ],
)
def test_registration_refuses_a_meter_and_writes_nothing(company, meter, change, code, message):
    before = company.count_rows()

    with pytest.raises(UserError) as refusal:
        company.register(change(meter))

    assert (refusal.value.code, str(refusal.value)) == (code, message)
    assert company.count_rows() == before


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        pytest.param(
            lambda r, c: attrs.evolve(r, tariff_id=c.tariff()),
            "tariff_forbidden",
            "Only meters have a tariff, not shs; leave it out.",
            id="with a tariff",
        ),
        pytest.param(
            lambda r, _: with_device(r, appliance_id=None),
            "appliance_required",
            "A device of kind shs needs the appliance it is sold as; name one.",
            id="without appliance",
        ),
        pytest.param(
            lambda r, _: with_device(r, appliance_id="lamp"),
            "unknown_appliance",
            "The company has no appliance with id 'lamp'.",
            id="unknown appliance",
        ),
        pytest.param(
            lambda r, c: with_device(r, appliance_id=c.appliance("Bike", ApplianceKind.E_BIKE)),
            "kind_mismatch",
            "Appliance 'Bike' is of kind e_bike, not shs.",
            id="appliance of another kind",
        ),
        pytest.param(
            lambda r, c: attrs.evolve(r, sale=PlanTerms(cost=c.money("10"))),
            "terms_invalid",
            "Give exactly one of instalments, instalment_cost and price_per_day.",
            id="sale without instalments",
        ),
    ],
)
def test_registration_refuses_a_solar_home_system(company, home, change, code, message):
    request = change(home, company)
    before = company.count_rows()

    with pytest.raises(UserError) as refusal:
        company.register(request)

    assert (refusal.value.code, str(refusal.value)) == (code, message)
    assert company.count_rows() == before


def test_registration_refuses_a_serial_of_any_other_device(company, meter, home):
    company.register(meter)
    before = company.count_rows()

    with pytest.raises(UserError, match="already") as refusal:
        company.register(with_device(home, serial="047001"))

    assert refusal.value.code == "duplicate_serial"
    assert str(refusal.value) == (
        "The company has a device '047001' already; serials are unique over all kinds."
    )
    assert company.count_rows() == before


def test_registration_refuses_a_serial_that_somebody_else_takes_meanwhile(
    company, meter, monkeypatch
):
    company.register(meter)
    monkeypatch.setattr("mpm_host.registration.registration._taken_serials", lambda *_: set())
    before = company.count_rows()

    with pytest.raises(UserError) as refusal:
        company.register(meter)

    assert refusal.value.code == "duplicate_serial"
    assert company.count_rows() == before


def test_registration_lets_two_companies_have_one_serial(engines):
    directory = small_directory("umeme", "solar")
    for slug in ("umeme", "solar"):
        SmallCompany(engines, slug, directory).meter("047001")

    with engines.read.connect() as connection:
        companies = connection.scalars(sa.select(t.devices.c.company_id)).all()
    assert sorted(companies) == ["company-solar", "company-umeme"]


def test_registration_knows_nothing_of_another_company(engines, company, meter):
    other = SmallCompany(engines, "solar")
    customer = other.meter("1").customer_id

    for change in (
        {"village_id": other.village()},
        {"tariff_id": other.tariff()},
        {"customer": ExistingCustomer(id=customer)},
    ):
        with pytest.raises(UserError, match="The company has no"):
            company.register(attrs.evolve(meter, **change))


def manifest(**more):
    return Manifest(
        kind=PluginKind.MANUFACTURER,
        title="Calin",
        settings_class=object,
        device_kinds=[DeviceKind.METER],
        **more,
    )


def test_registration_checks_the_serial_by_the_manifest(company, meter):
    of_eleven_digits = manifest(serial_pattern="[0-9]{11}")

    with pytest.raises(UserError) as refusal:
        company.register(meter, manifest_of=lambda _: of_eleven_digits)

    assert refusal.value.code == "serial_invalid"
    assert str(refusal.value) == "'047001' is not a serial of 'calin', which must match [0-9]{11}."


def test_registration_encrypts_the_details_the_manifest_asks_for(company, meter):
    details = {"sgc": 600_675, "key": "0123456789abcdef"}

    company.register(
        with_device(meter, details=details),
        manifest_of=lambda _: manifest(details_class=MeterDetails),
    )

    [(sealed,)] = company.rows(t.devices, "details")
    assert b"0123456789abcdef" not in sealed
    assert json.loads(company.vault.open(sealed)) == details


def test_registration_says_what_is_wrong_with_details_and_never_their_secrets(company, meter):
    details = {"sgc": 0, "key": "0123456789abcdef", "kee": "0123456789abcdef"}

    with pytest.raises(UserError) as refusal:
        company.register(
            with_device(meter, details=details),
            manifest_of=lambda _: manifest(details_class=MeterDetails),
        )

    assert refusal.value.code == "details_invalid"
    assert str(refusal.value) == (
        "The device's details are wrong: Company 'umeme', plugin 'calin', setting 'kee' is "
        "unknown; did you mean 'key'?; Company 'umeme', plugin 'calin', setting 'sgc' must be at "
        "least 1, not 0."
    )


def test_registration_refuses_details_nobody_asks_for(company, meter):
    with pytest.raises(UserError) as refusal:
        company.register(with_device(meter, details={"a": "b"}), manifest_of=lambda _: manifest())

    assert refusal.value.code == "details_invalid"
    assert str(refusal.value) == "Manufacturer 'calin' asks for no details; leave them out."


def test_registration_values_hide_phone_and_details_in_their_repr(meter):
    shown = repr(with_device(meter, details={"key": "0123456789abcdef"}))

    assert "712" not in shown
    assert "0123456789abcdef" not in shown


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(max_size=250), phone=st.text(max_size=30), serial=st.text(max_size=80))
def test_registration_stores_any_text_or_refuses_it(company, meter, name, phone, serial):
    before = company.count_rows()
    request = attrs.evolve(
        with_device(meter, serial=serial),
        customer=NewCustomer(name=name, surname=name, phone=phone),
    )

    try:
        company.register(request)
    except UserError:
        assert company.count_rows() == before
    else:
        assert serial.strip() in {row["serial"] for row in company.rows(t.devices)}
