"""`POST /payments/{id}/…`, through the API."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from host.tests.api.worlds import Shop
from mpm_host.access.roles import Role
from mpm_host.database import tables as t

SERIAL = "47001234567"
WHY = {"reason": "she called"}
CODE = "12345678901234567890"


@pytest.fixture
def api(installation):
    return installation.company(plugins=("calin",))


@pytest.fixture
def payment(installation, api):
    register_meter(api)
    return installation.pay(SERIAL, "1000", "R1")


def register_meter(api):
    cluster = api.ok("POST", "/clusters", {"name": "Coast"})["id"]
    grid = api.ok("POST", "/mini-grids", {"name": "Mkuranga", "cluster_id": cluster})["id"]
    village = api.ok("POST", "/villages", {"name": "Kisiju", "mini_grid_id": grid})["id"]
    tariff = api.ok("POST", "/tariffs", {"name": "Household", "price_per_kwh": "1000"})["id"]
    body = {
        "request_id": "1",
        "customer": {"name": "Asha", "surname": "Juma", "phone": "0712345678"},
        "village_id": village,
        "device": {"kind": "meter", "serial": SERIAL, "manufacturer": "calin"},
        "tariff_id": tariff,
    }
    api.ok("POST", "/registrations", body)


def stands(installation, order_status, status):
    finished = installation.clock() if order_status in {"refused", "issued"} else None
    values = {"status": order_status, "finished_at": finished, "next_at": None}
    with installation.host.engines.write.begin() as connection:
        connection.execute(sa.update(t.orders).values(**values))
        connection.execute(sa.update(t.payments).values(status=status))


def person(installation, api, email, role="finance"):
    """Return the API as a logged-in person sees it."""
    password = f"correct horse of {email}"
    user = {"email": email, "name": email, "role": role, "password": password}
    api.ok("POST", "/users", user)
    session = api.ok("POST", "/sessions", {"email": email, "password": password})
    return api.as_(session["bearer"])


def waiting(api):
    """Return the payments that need a person, and those that do not."""
    pages = [api.ok("GET", "/payments", needs_person=word)["items"] for word in ("true", "false")]
    return tuple([payment["id"] for payment in page] for page in pages)


@pytest.mark.parametrize(
    ("verb", "order", "before", "after"),
    [
        ("retry", "refused", "held", "token_pending"),
        ("release", "refused", "held", "settled"),
        ("reverse", "queued", "token_pending", "reversed"),
    ],
)
def test_a_verb_answers_the_payment_and_again_the_same(
    installation, api, payment, verb, order, before, after
):
    stands(installation, order, before)

    first = api.ok("POST", f"/payments/{payment}/{verb}", WHY)
    again = api.ok("POST", f"/payments/{payment}/{verb}", WHY)

    assert (first["id"], first["status"]) == (payment, after)
    assert again == first
    assert first["events"][-1]["detail"] == "she called"
    actions = [line["action"] for line in installation.audit(api)]
    assert actions.count(f"payment.{verb}") == 1


def test_resolve_with_codes_issues_them_unseen(installation, api, payment):
    stands(installation, "parked", "unknown")

    shown = api.ok("POST", f"/payments/{payment}/resolve", {**WHY, "codes": [CODE]})

    assert shown["status"] == "settled"
    assert [token["value"] for token in shown["tokens"]] == [None]
    assert CODE not in str(installation.audit(api))


def test_resolve_refuses_codes_that_are_no_token(installation, api, payment):
    stands(installation, "parked", "unknown")

    path = f"/payments/{payment}/resolve"
    assert api.refused("POST", path, {**WHY, "codes": ["  "]}) == (422, "token_invalid")
    assert api.ok("GET", f"/payments/{payment}")["status"] == "unknown"


def test_resolve_takes_that_a_device_was_credited(installation):
    api = installation.company(plugins=("calin", "sunking"))
    Shop(api).home("12345678", sale={"cost": "1200", "instalments": 3})
    payment = installation.pay("12345678", "100", "R1")
    stands(installation, "parked", "unknown")
    body = {**WHY, "delivered": True}

    shown = api.ok("POST", f"/payments/{payment}/resolve", body)

    assert shown["status"] == "settled"
    [token] = shown["tokens"]
    assert (token["kind"], token["value"], token["delivery"]) == ("time", None, "remote")
    assert api.ok("POST", f"/payments/{payment}/resolve", body) == shown


def test_match_takes_the_serial(installation, api):
    payment = installation.pay("X999", "1000", "R1")
    register_meter(api)

    shown = api.ok("POST", f"/payments/{payment}/match", {**WHY, "serial": SERIAL})

    assert (shown["status"], shown["serial"]) == ("token_pending", "X999")
    assert api.refused("POST", f"/payments/{payment}/match", {**WHY, "serial": "X"}) == (
        404, "unknown_serial",
    )  # fmt: skip


def test_a_second_token_takes_two_people_and_no_key(installation, api, payment):
    stands(installation, "issued", "settled")
    anna = person(installation, api, "anna@umeme.tz")
    baraka = person(installation, api, "baraka@umeme.tz")
    assert api.refused("POST", f"/payments/{payment}/reissue", WHY) == (403, "forbidden")

    proposed = anna.ok("POST", f"/payments/{payment}/reissue", WHY)
    assert (proposed["status"], proposed["needs_person"]) == ("settled", True)
    assert waiting(api) == ([payment], [])
    assert proposed["proposal"] == {
        "kind": "reissue",
        "proposed_by": "anna@umeme.tz",
        "proposed_at": installation.clock().isoformat().replace("+00:00", "Z"),
        "reason": "she called",
    }
    assert anna.refused("POST", f"/payments/{payment}/approve", WHY) == (
        409, "approval_by_same_person",
    )  # fmt: skip
    assert api.refused("POST", f"/payments/{payment}/approve", WHY) == (403, "forbidden")

    approved = baraka.ok("POST", f"/payments/{payment}/approve", WHY)

    assert (approved["status"], approved["proposal"]) == ("token_pending", None)
    assert waiting(api) == ([], [payment])
    assert api.refused("GET", "/payments?needs_person=perhaps") == (422, "query_invalid")


def test_not_minted_takes_two_people(installation, api, payment):
    stands(installation, "parked", "unknown")
    anna = person(installation, api, "anna@umeme.tz")
    baraka = person(installation, api, "baraka@umeme.tz")
    body = {**WHY, "not_minted": True}
    assert api.refused("POST", f"/payments/{payment}/resolve", body) == (403, "forbidden")

    assert anna.ok("POST", f"/payments/{payment}/resolve", body)["status"] == "unknown"
    approved = baraka.ok("POST", f"/payments/{payment}/approve", WHY)

    assert approved["status"] == "token_pending"


@pytest.mark.parametrize(
    "body",
    [
        WHY,
        {**WHY, "codes": [CODE], "not_minted": True},
        {**WHY, "delivered": True, "not_minted": True},
        {**WHY, "codes": []},
        {"codes": [CODE]},
    ],
    ids=["neither", "both", "both others", "no codes", "no reason"],
)
def test_resolve_needs_one_answer_and_a_reason(installation, api, payment, body):
    stands(installation, "parked", "unknown")

    assert api.refused("POST", f"/payments/{payment}/resolve", body) == (422, "body_invalid")


@pytest.mark.parametrize(
    ("verb", "code"),
    [
        ("retry", "payment_not_held"),
        ("release", "payment_not_held"),
        ("resend-message", "no_message"),
    ],
)
def test_a_verb_in_the_wrong_state_is_a_conflict(api, payment, verb, code):
    assert api.refused("POST", f"/payments/{payment}/{verb}", WHY) == (409, code)


@pytest.mark.parametrize(
    "verb", ["retry", "release", "reverse", "match", "resolve", "reissue", "approve"]
)
def test_operators_may_not_decide_about_money(installation, payment, verb):
    operator = installation.key(role=Role.OPERATOR)
    body = WHY | ({"serial": SERIAL} if verb == "match" else {})

    assert operator.refused("POST", f"/payments/{payment}/{verb}", body) == (403, "forbidden")


def test_operators_may_send_a_message_again(installation, payment):
    operator = installation.key(role=Role.OPERATOR)

    answer = operator.refused("POST", f"/payments/{payment}/resend-message", WHY)

    assert answer == (409, "no_message")


def test_looking_at_an_unknown_payment_makes_it_due(installation, api, payment):
    stands(installation, "unknown", "unknown")
    later = installation.clock().replace(year=2090)
    with installation.host.engines.write.begin() as connection:
        connection.execute(sa.update(t.orders).values(due_at=later, next_at=later))

    api.ok("GET", f"/payments/{payment}")

    with installation.host.engines.read.connect() as connection:
        assert connection.execute(sa.select(t.orders.c.due_at)).scalar() == installation.clock()
