"""A change of a sale that leaves nothing to pay unlocks the device, once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from host.tests.api.conftest import PROTECTED
from host.tests.api.worlds import Shop
from mpm_core.simulation.server import serve
from mpm_core.simulation.simulators import simulator_of
from mpm_host.database import tables as t
from mpm_host.verification.verification import verify
from mpm_sunking.plugin import SunKing

SERIAL = "12345678"


@pytest.fixture
def sunking():
    simulator = simulator_of(SunKing)
    simulator.knows(SERIAL)
    return simulator


@pytest.fixture
def shop(installation, sunking):
    api = installation.company("umeme", ("calin", "sunking"))
    installation.protect()
    with serve({"sunking": sunking}) as server:
        settings = dict(sunking.settings(server.base_url("sunking")))
        api.ok("PUT", "/plugins/sunking", {"settings": settings})
        yield Shop(api)


@pytest.fixture(autouse=True)
def the_books_agree_afterwards(installation):
    yield
    with installation.host.engines.read.connect() as connection:
        assert list(verify(connection)) == []


@pytest.fixture
def sale(installation, shop):
    """A home of 1000 in two rows, of which the first is paid."""
    made = shop.home(SERIAL, sale={"cost": "1000", "instalments": 2})["sale"]
    installation.pay(SERIAL, "500", "R1")
    work(installation)
    return made


def orders(installation):
    o = t.orders.c
    query = sa.select(o.id, o.kind, o.purpose, o.status).order_by(o.id)
    with installation.host.engines.read.connect() as connection:
        return connection.execute(query).all()


def unlocks(installation):
    return [order for order in orders(installation) if order.kind == "unlock"]


def work(installation):
    for order in orders(installation):
        installation.services.orders.work_on(order.id)


def unlock_payment(shop):
    [found] = [
        each
        for each in shop.api.ok("GET", "/payments")["items"]
        if each["channel"] == "plan_change"
    ]
    return shop.api.ok("GET", f"/payments/{found['id']}")


CHANGES = {
    "total": ("", {"cost": "500"}),
    "row": ("/rows/2", {"cost": "0"}),
}


@pytest.mark.parametrize(("path", "body"), CHANGES.values(), ids=CHANGES)
def test_a_change_that_settles_a_plan_unlocks_its_device(installation, shop, sale, path, body):
    changed = shop.api.ok("PATCH", f"/sales/{sale['id']}{path}", body)

    assert (changed["remaining"], changed["status"]) == ("0", "settled")
    [order] = unlocks(installation)
    assert (order.purpose, order.status) == ("unlock", "queued")
    waiting = unlock_payment(shop)
    assert (waiting["status"], waiting["amount"], waiting["lines"]) == ("token_pending", None, [])

    work(installation)

    done = unlock_payment(shop)
    assert (done["status"], done["serial"], done["instance"]) == (
        "settled",
        SERIAL,
        "plan_change",
    )
    [token] = done["tokens"]
    assert (token["kind"], token["device_serial"]) == ("unlock", SERIAL)
    shop.api.ok("POST", "/elevations", {"password": PROTECTED})
    told = shop.api.ok("GET", f"/payments/{done['id']}", reveal="true")["messages"]
    assert [each["body"].partition(" Token")[0] for each in told] == [
        f"Device {SERIAL} is paid off and unlocked."
    ]


def test_a_settled_plan_is_not_unlocked_again(installation, shop, sale):
    path = f"/sales/{sale['id']}"
    shop.api.ok("PATCH", path, {"cost": "500"})
    assert shop.api.refused("PATCH", path, {"cost": "500"}) == (422, "no_untouched_row")
    assert shop.api.refused("PATCH", f"{path}/rows/1", {"cost": "0"}) == (422, "row_already_paid")
    assert len(unlocks(installation)) == 1


def test_two_changes_at_once_unlock_once(installation, shop, sale):
    def change(path, body):
        return shop.api("PATCH", f"/sales/{sale['id']}{path}", body).status_code

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(change, *zip(*CHANGES.values(), strict=True)))
    assert 200 in answers
    assert len(unlocks(installation)) == 1


def test_a_change_that_leaves_something_unlocks_nothing(installation, shop, sale):
    shop.api.ok("PATCH", f"/sales/{sale['id']}", {"cost": "501"})
    assert unlocks(installation) == []


def test_money_that_settles_what_a_change_left_unlocks_once(installation, shop, sale):
    shop.api.ok("PATCH", f"/sales/{sale['id']}", {"cost": "600"})
    installation.pay(SERIAL, "100", "R2")
    assert len(unlocks(installation)) == 1


def test_a_plain_appliance_has_nothing_to_unlock(installation, shop):
    sale = shop.television(cost="1000", instalments=2)
    for _ in sale["rows"]:
        shop.api.ok("PATCH", f"/sales/{sale['id']}/rows/1", {"cost": "0"})
    assert orders(installation) == []


def test_an_unlock_that_is_refused_waits_for_a_person(installation, shop, sale, sunking):
    sunking.set_fault("unknown_device", serial=SERIAL)
    shop.api.ok("PATCH", f"/sales/{sale['id']}", {"cost": "500"})
    work(installation)
    held = unlock_payment(shop)
    assert (held["status"], held["needs_person"]) == ("held", True)
    path = f"/payments/{held['id']}"

    sunking.clear_faults()
    shop.api.ok("POST", f"{path}/retry", {"reason": "the vendor has it now"})
    work(installation)
    assert shop.api.ok("GET", path)["status"] == "settled"


def test_an_unlock_that_nobody_wants_any_more_is_released(installation, shop, sale, sunking):
    sunking.set_fault("unknown_device", serial=SERIAL)
    shop.api.ok("PATCH", f"/sales/{sale['id']}", {"cost": "500"})
    work(installation)
    path = f"/payments/{unlock_payment(shop)['id']}"
    released = shop.api.ok("POST", f"{path}/release", {"reason": "the device is lost"})
    assert (released["status"], released["lines"]) == ("settled", [])


def test_an_unlock_moved_no_money_to_take_back(shop, sale):
    shop.api.ok("PATCH", f"/sales/{sale['id']}", {"cost": "500"})
    path = f"/payments/{unlock_payment(shop)['id']}/reverse"
    assert shop.api.refused("POST", path, {"reason": "by mistake"}) == (409, "payment_not_booked")
