"""People's actions on payments: what each does, when it is refused, and that repeats are safe."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest
import sqlalchemy as sa

from mpm_core import NotSent, Prepared, Recovery, Refused, Secret
from mpm_host.actions.action_basics import Action
from mpm_host.actions.action_refusals import ActionCode
from mpm_host.actions.payment_actions import PaymentActions
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from mpm_host.directory import InstanceState
from mpm_host.orders import order_worker
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.customers import CustomerDetails, create_customer
from mpm_host.registration.device_changes import DeviceChange, change_device
from mpm_host.registration.plan_terms import PlanTerms
from mpm_host.registration.sales import SaleRequest, sell
from tests.support.order_bench import (
    TAKEN_BACK,
    OrderBench,
    energy_grant,
    lost,
    time_grant,
    unlock_grant,
)

CODE = "11112222333344445555"
OTHER = "66667777888899990000"
COPY_IT = "Copy it from the manufacturer's own records, one code per line; nothing was sent."
ANNA, BARAKA = "anna@umeme.tz", "baraka@umeme.tz"
SERIAL = "47001234567"


class Desk(OrderBench):
    """A bench with people at work."""

    def __init__(self, engines, **options):
        super().__init__(engines, **options)
        self.actions = PaymentActions(vault=self.vault, directory=lambda: self.directory)

    def by(self, name=ANNA, reason="the customer called"):
        return Actor(name=name, at=self.now, reason=reason)

    def act(self, verb, payment_id, *arguments, by=ANNA, company_id=None):
        act = getattr(self.actions, verb)
        with self.engines.write.begin() as connection:
            return act(connection, payment_id, *arguments, self.by(by), company_id=company_id)

    def held(self, **options):
        payment_id = self.paid(**options)
        self.scripts["calin"].generate.append(Refused("unknown meter", code="3"))
        self.work(payment_id)
        return payment_id

    def settled(self, code=CODE, **options):
        payment_id = self.paid(**options)
        self.scripts["calin"].generate.append(energy_grant(code))
        self.work(payment_id)
        return payment_id

    def parked(self, **options):
        payment_id = self.lost(**options)
        self.later(seconds=40)
        self.work(payment_id)
        return payment_id

    def unmatched(self, amount="1000", reference="R1"):
        return self.pay("X999", amount, reference)

    def unmatched_beside_a_meter(self):
        self.meter(SERIAL)
        return self.unmatched()

    def settled_and_told(self):
        payment_id = self.settled()
        sent(self)
        return payment_id

    def reissue_proposed(self):
        payment_id = self.settled()
        self.act("reissue", payment_id)
        return payment_id

    def not_minted_proposed(self):
        payment_id = self.parked()
        self.act("resolve_not_minted", payment_id)
        return payment_id

    def everything(self):
        """Return the contents of every table an action may touch."""
        tables = (
            t.payments, t.entries, t.orders, t.attempts, t.tokens, t.messages, t.events,
            t.proposals, t.audit, t.customers, t.plan_rows, t.access_debts,
        )  # fmt: skip
        return {table.name: self.rows(table) for table in tables}

    def audited(self):
        rows = self.rows(t.audit, "actor", "action", "reason")
        return [row for row in rows if row[1].startswith("payment.")]


@pytest.fixture
def desk(engines):
    return Desk(engines)


def refused(desk, verb, payment_id, *arguments, by=ANNA):
    """Return the code and message an action is refused with; it must change nothing."""
    before = desk.everything()
    with pytest.raises(ServiceRefused) as refusal:
        desk.act(verb, payment_id, *arguments, by=by)
    assert desk.everything() == before
    return refusal.value.code, str(refusal.value)


def codes(*texts):
    return [Secret(text) for text in texts]


# --- retry ----------------------------------------------------------------------------------------


def test_retry_mints_from_the_reserved_value_under_a_new_key(desk):
    payment_id = desk.held()
    desk.act("retry", payment_id)
    assert desk.status(payment_id) == ("token_pending", False, "")
    desk.scripts["calin"].generate.append(energy_grant())

    desk.work(payment_id)

    first, second = desk.scripts["calin"].asked()
    assert first.key != second.key
    assert desk.codes(payment_id) == [CODE]
    assert desk.lines(payment_id) == [("energy", "1000")]
    assert desk.attempts(payment_id) == [(1, "refused"), (1, "issued")]
    assert desk.audited() == [(ANNA, "payment.retry", "the customer called")]
    assert desk.differences() == []


def test_a_retry_that_is_refused_again_can_be_tried_again(desk):
    payment_id = desk.held()
    desk.act("retry", payment_id)
    desk.scripts["calin"].generate += [Refused("still unknown"), energy_grant()]
    desk.work(payment_id)
    assert desk.status(payment_id) == ("held", True, "vendor_refused")

    desk.act("retry", payment_id)
    desk.work(payment_id)

    assert desk.status(payment_id) == ("settled", False, "")
    assert desk.differences() == []


# --- release --------------------------------------------------------------------------------------


def test_release_turns_the_reserved_value_into_credit(desk):
    payment_id = desk.held()

    desk.act("release", payment_id)

    assert desk.status(payment_id) == ("settled", False, "released")
    assert desk.lines(payment_id) == [("credit", "1000")]
    assert desk.credit() == 100_000
    assert desk.codes(payment_id) == []
    assert desk.told(payment_id)[-1] == "Payment of 1000 TZS received. Your credit: 1000 TZS."
    assert desk.differences() == []


def test_released_credit_joins_the_next_payment(desk):
    desk.act("release", desk.held())
    second = desk.pay(SERIAL, "500", "R2")

    assert desk.lines(second) == [("credit", "-1000"), ("energy", "1500")]
    assert desk.differences() == []


def test_release_leaves_instalments_paid(desk):
    payment_id, _ = home_payment(desk, "700")
    desk.scripts["sunking"].generate.append(Refused("unknown unit"))
    desk.work(payment_id)

    desk.act("release", payment_id)

    assert desk.status(payment_id) == ("settled", False, "released")
    assert desk.lines(payment_id) == [("instalment", "700")]
    assert desk.credit() == 0
    assert desk.differences() == []


def home_payment(desk, amount, *, cost="2800", instalments=4, serial="12345678"):
    """Sell a home system and pay for it; returns the payment and the customer."""
    sale = PlanTerms(cost=desk.money(cost), instalments=instalments, sold_on=today(desk))
    registered = desk.home(serial, sale=sale)
    return desk.pay(serial, amount, f"H{serial}"), registered.customer_id


def today(desk):
    return desk.record.today(desk.now)


# --- unknown: the token is found ------------------------------------------------------------------


@pytest.mark.parametrize("make", ["lost", "parked"])
def test_resolve_issues_the_token_a_person_found(desk, make):
    payment_id = getattr(desk, make)()

    desk.act("resolve_with_token", payment_id, codes(CODE))

    assert desk.status(payment_id) == ("settled", False, "")
    assert desk.codes(payment_id) == [CODE]
    assert desk.told(payment_id)[-1] == (
        "Payment of 1000 TZS received. 1 kWh for meter 47001234567. Token: 1111 2222 3333 4444 5555"
    )
    assert CODE not in str(desk.rows(t.audit)) + str(desk.rows(t.events))
    assert desk.differences() == []


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        pytest.param(
            (), "the grant is for the keypad but holds no code", id="nothing",
        ),
        pytest.param(
            ("1234\n5678",), "code 1 of the grant is not 1 to 64 printable characters",
            id="two lines in one",
        ),
        pytest.param(("1",) * 11, "the grant holds 11 codes, more than 10", id="too many"),
        pytest.param(("  ",), "code 1 of the grant begins or ends with a blank", id="blanks only"),
        pytest.param(
            (CODE, f"{OTHER} "), "code 2 of the grant begins or ends with a blank",
            id="blank after a code",
        ),
    ],
)  # fmt: skip
def test_resolve_refuses_what_is_no_token(desk, texts, message):
    payment_id = desk.parked()

    assert refused(desk, "resolve_with_token", payment_id, codes(*texts)) == (
        ActionCode.TOKEN_INVALID,
        f"This is no token: {message}. {COPY_IT}",
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(CODE[:-1], id="too short"),
        pytest.param(f"{CODE[:-1]}x", id="no digits"),
        pytest.param("1111 2222 3333 4444 5555", id="groups"),
        pytest.param("the customer says it works", id="words"),
    ],
)
def test_resolve_refuses_what_the_manufacturer_never_makes(engines, text):
    desk = Desk(engines, token_pattern="[0-9]{20}")
    payment_id = desk.parked()

    code, message = refused(desk, "resolve_with_token", payment_id, codes(text))

    assert code == ActionCode.TOKEN_INVALID
    assert message == (
        "This is no token of plugin calin: code 1 of the grant does not match [0-9]{20}, the "
        f"plugin's token_pattern. {COPY_IT}"
    )
    desk.act("resolve_with_token", payment_id, codes(CODE))
    assert desk.status(payment_id) == ("settled", False, "")
    assert desk.codes(payment_id) == [CODE]


@pytest.mark.parametrize("make", ["lost", "parked"])
def test_resolve_says_that_the_device_was_credited(desk, make):
    payment_id = getattr(desk, make)()

    assert desk.act("resolve_delivered", payment_id)
    assert not desk.act("resolve_delivered", payment_id)

    assert desk.status(payment_id) == ("settled", False, "")
    [token] = desk.rows(t.tokens)
    assert (token["delivery"], token["quantity"], token["unit"]) == ("remote", 1000, "Wh")
    assert desk.told(payment_id)[-1] == (
        "Payment of 1000 TZS received. 1 kWh for meter 47001234567."
    )
    assert desk.differences() == []


def test_resolve_takes_no_word_for_a_code_that_the_customer_needs(engines):
    desk = Desk(engines, token_pattern="[0-9]{20}")
    payment_id = desk.parked()

    code, message = refused(desk, "resolve_delivered", payment_id)
    assert code == ActionCode.TOKEN_INVALID
    assert message == (
        "Plugin calin makes codes for the keypad; the customer needs the one that was made. Give "
        "the token instead."
    )
    assert desk.status(payment_id)[0] == "unknown"


def test_a_token_can_be_resolved_whose_plugin_was_never_loaded(desk):
    payment_id = desk.parked()
    desk.change_instance("calin", facts=None)

    desk.act("resolve_with_token", payment_id, codes("1234"))

    assert desk.codes(payment_id) == ["1234"]


def test_resolve_refuses_the_token_of_another_payment(desk):
    desk.settled()
    desk.scripts["calin"].generate.append(lost())
    second = desk.pay(SERIAL, "1000", "R2")
    desk.work(second)

    code, message = refused(desk, "resolve_with_token", second, codes(CODE))

    assert code == ActionCode.TOKEN_KNOWN
    assert message == (
        f"Device {SERIAL} was given this very token before; look for the one of payment {second}."
    )


# --- unknown: nothing was minted ------------------------------------------------------------------


def test_saying_that_nothing_was_minted_takes_two_people(desk):
    payment_id = desk.parked()
    desk.act("resolve_not_minted", payment_id)
    assert desk.status(payment_id) == ("unknown", True, "outcome_unknown")
    assert len(desk.scripts["calin"].asked()) == 1
    assert refused(desk, "approve", payment_id, by="ANNA@umeme.tz ") == (
        ActionCode.APPROVAL_BY_SAME_PERSON,
        f"{ANNA} proposed this for payment {payment_id}; somebody else must approve it.",
    )

    desk.act("approve", payment_id, by=BARAKA)
    desk.scripts["calin"].generate.append(energy_grant())
    desk.work(payment_id)

    first, second = desk.scripts["calin"].asked()
    assert (first.key, second.attempt) == (second.key, 2)
    assert desk.status(payment_id) == ("settled", False, "")
    assert [row[:2] for row in desk.audited()] == [
        (ANNA, "payment.propose_not_minted"),
        (BARAKA, "payment.approve_not_minted"),
    ]
    assert desk.differences() == []


def test_an_approved_attempt_begins_from_a_target_of_its_own(engines):
    """The old one is days in the past by then."""
    desk = Desk(engines, recovery=Recovery.DESIRED_STATE, prepares=True)
    calin = desk.scripts["calin"]
    calin.prepare += [Prepared(inputs={"until": "day 7"}), Prepared(inputs={"until": "day 16"})]
    payment_id = desk.lost()
    calin.generate.append(Refused("not now"))
    while desk.order(payment_id)["status"] != "parked":
        desk.later(days=9)
        desk.work(payment_id)
    assert {order.prepared["until"] for order in calin.asked()} == {"day 7"}
    desk.act("resolve_not_minted", payment_id)
    desk.act("approve", payment_id, by=BARAKA)
    calin.generate.clear()
    calin.generate.append(energy_grant())
    desk.work(payment_id)

    assert calin.asked()[-1].prepared == {"until": "day 16"}
    assert desk.status(payment_id) == ("settled", False, "")


def test_an_approved_attempt_is_made_without_doubt(desk):
    payment_id = desk.parked()
    desk.act("resolve_not_minted", payment_id)
    desk.act("approve", payment_id, by=BARAKA)
    desk.scripts["calin"].generate.append(Refused("unknown meter"))

    desk.work(payment_id)

    assert desk.status(payment_id) == ("held", True, "vendor_refused")


def test_a_proposal_about_an_attempt_that_is_over_means_nothing_any_more(engines):
    desk = Desk(engines, recovery=Recovery.KEYED)
    payment_id = desk.lost()
    desk.act("resolve_not_minted", payment_id)
    desk.later(seconds=40)
    desk.scripts["calin"].generate.append(lost())
    desk.work(payment_id)
    desk.work(payment_id)
    assert desk.status(payment_id) == ("unknown", False, "outcome_unknown")

    assert refused(desk, "approve", payment_id, by=BARAKA) == (
        ActionCode.NOTHING_TO_APPROVE,
        f"Nothing is proposed for payment {payment_id}; see its events.",
    )
    desk.act("resolve_not_minted", payment_id, by=BARAKA)
    desk.act("approve", payment_id, by=ANNA)
    assert desk.status(payment_id)[0] == "token_pending"


def test_a_token_that_is_found_after_all_ends_the_proposal(desk):
    payment_id = desk.parked()
    desk.act("resolve_not_minted", payment_id)
    desk.act("resolve_with_token", payment_id, codes(CODE), by=BARAKA)

    assert desk.status(payment_id) == ("settled", False, "")
    assert refused(desk, "approve", payment_id, by=BARAKA)[0] == ActionCode.NOTHING_TO_APPROVE
    assert desk.rows(t.proposals, "approved", "decided_by") == [(False, BARAKA)]


# --- reissue --------------------------------------------------------------------------------------


def test_a_second_token_takes_two_people(desk):
    payment_id = desk.settled()
    desk.act("reissue", payment_id)
    assert desk.status(payment_id) == ("settled", True, "")
    assert refused(desk, "approve", payment_id)[0] == ActionCode.APPROVAL_BY_SAME_PERSON

    desk.act("approve", payment_id, by=BARAKA)
    assert desk.status(payment_id) == ("token_pending", False, "")
    desk.scripts["calin"].generate.append(energy_grant(OTHER))
    desk.work(payment_id)

    assert desk.status(payment_id) == ("settled", False, "")
    assert desk.codes(payment_id) == [CODE, OTHER]
    assert len(desk.told(payment_id)) == 2
    assert desk.lines(payment_id) == [("energy", "1000")]
    assert desk.differences() == []


def test_each_further_token_needs_a_proposal_of_its_own(desk):
    payment_id = desk.settled()
    desk.act("reissue", payment_id)
    desk.act("approve", payment_id, by=BARAKA)
    desk.scripts["calin"].generate.append(energy_grant(OTHER))
    desk.work(payment_id)

    before = desk.everything()
    desk.act("approve", payment_id, by=BARAKA)  # a repeat

    assert desk.everything() == before


def test_releasing_a_refused_reissue_gives_no_credit_for_what_was_delivered(desk):
    payment_id = desk.settled()
    desk.act("reissue", payment_id)
    desk.act("approve", payment_id, by=BARAKA)
    desk.scripts["calin"].generate.append(Refused("enough"))
    desk.work(payment_id)
    assert desk.status(payment_id) == ("held", True, "vendor_refused")

    desk.act("release", payment_id)

    assert desk.status(payment_id)[0] == "settled"
    assert desk.lines(payment_id) == [("energy", "1000")]
    assert desk.credit() == 0
    assert desk.codes(payment_id) == [CODE]
    assert desk.differences() == []


def give_away(desk):
    """Move the only device to another customer."""
    [(device_id,)], [(village_id, *_)] = desk.rows(t.devices, "id"), desk.rows(t.villages, "id")
    neighbour = CustomerDetails(
        name="Neema", surname="Mushi", phone="0712999999", village_id=village_id
    )
    with desk.engines.write.begin() as connection:
        owner = create_customer(connection, desk.record, neighbour, desk.now)
        change_device(connection, desk.record, device_id, DeviceChange(customer_id=owner), desk.now)


def sell_again(desk):
    """Sell the only home system anew to the customer who has paid it off."""
    [(customer_id, serial)] = desk.rows(t.devices, "customer_id", "serial")
    [(appliance_id,)] = desk.rows(t.appliances, "id")
    request = SaleRequest(
        customer_id=customer_id,
        appliance_id=appliance_id,
        device_serial=serial,
        terms=PlanTerms(cost=desk.money("300000"), instalments=10),
    )
    with desk.engines.write.begin() as connection:
        sell(connection, desk.record, request, desk.now)


MOVED = (
    ActionCode.DEVICE_MOVED,
    (
        "Device 12345678 does not belong to the customer of payment {} any more; its owner would "
        "get what they paid for."
    ),
)
OWES = (
    RefusalCode.PLAN_OPEN,
    "Device 12345678 is not paid off: its customer owes something on a sale of it.",
)


@pytest.mark.parametrize("asked_before", [False, True], ids=["proposed late", "approved late"])
@pytest.mark.parametrize(
    ("happens", "refusal"),
    [pytest.param(give_away, MOVED, id="moved"), pytest.param(sell_again, OWES, id="sold again")],
)
def test_nobody_gets_what_the_owner_or_sale_before_them_paid_for(
    desk, happens, refusal, asked_before
):
    desk.home("12345678", sale=PlanTerms(cost=desk.money("1000"), instalments=2))
    payment_id = desk.pay("12345678", "1000", "R1")
    desk.scripts["sunking"].generate.append(unlock_grant())
    desk.work(payment_id)
    if asked_before:
        desk.act("reissue", payment_id)
    happens(desk)

    verb, by = ("approve", BARAKA) if asked_before else ("reissue", ANNA)
    code, message = refusal
    assert refused(desk, verb, payment_id, by=by) == (code, message.format(payment_id))


def test_a_payment_without_a_token_has_none_to_reissue(desk):
    payment_id = desk.held()
    desk.act("release", payment_id)

    assert refused(desk, "reissue", payment_id) == (
        ActionCode.NO_TOKEN,
        f"No token came of payment {payment_id}; none can be reissued.",
    )


# --- match ----------------------------------------------------------------------------------------


def test_match_allocates_an_unmatched_payment_like_a_fresh_one(desk):
    payment_id = desk.unmatched()
    desk.meter(SERIAL, access_rate="200", days_ago=40)

    desk.act("match", payment_id, SERIAL)

    assert desk.lines(payment_id) == [("access_rate", "200"), ("energy", "800")]
    assert desk.status(payment_id) == ("token_pending", False, "")
    assert desk.view(payment_id)["serial"] == "X999"
    desk.scripts["calin"].generate.append(energy_grant(watt_hours=800))
    desk.work(payment_id)
    assert desk.codes(payment_id) == [CODE]
    assert desk.differences() == []


def test_match_again_changes_nothing_and_another_device_is_refused(desk):
    payment_id = desk.unmatched()
    desk.meter(SERIAL)
    desk.meter("47009999999", phone="0712000009")
    desk.act("match", payment_id, SERIAL)
    before = desk.everything()

    desk.act("match", payment_id, f" {SERIAL} ")

    assert desk.everything() == before
    assert refused(desk, "match", payment_id, "47009999999") == (
        ActionCode.PAYMENT_NOT_UNMATCHED,
        (
            f"Payment {payment_id} is token_pending; only one that is unmatched can be matched to "
            "a device."
        ),
    )


def test_a_repeat_of_the_telecoms_call_is_still_the_same_after_a_match(desk):
    payment_id = desk.unmatched()
    desk.meter(SERIAL)
    desk.act("match", payment_id, SERIAL)

    assert desk.pay("X999", "1000", "R1") == payment_id
    assert desk.view(payment_id)["conflict"] is False


def test_match_refuses_devices_nobody_can_be_credited_for(desk):
    payment_id = desk.unmatched()
    desk.meter(SERIAL)
    with desk.engines.write.begin() as connection:
        connection.execute(sa.update(t.devices).values(customer_id=None))

    assert refused(desk, "match", payment_id, "X999") == (
        "unknown_serial", "The company has no device 'X999'.",
    )  # fmt: skip
    assert refused(desk, "match", payment_id, SERIAL) == (
        "device_unassigned",
        f"Device '{SERIAL}' belongs to nobody; give it to a customer first.",
    )


# --- reverse --------------------------------------------------------------------------------------


def test_a_reversal_before_a_token_restores_every_balance(desk):
    registered = desk.meter(SERIAL, access_rate="200", days_ago=40)
    before = (desk.credit(registered.customer_id), remaining(desk))
    payment_id = desk.pay(SERIAL, "1000", "R1")

    desk.act("reverse", payment_id)

    assert desk.status(payment_id) == ("reversed", False, "reversed")
    assert (desk.credit(registered.customer_id), remaining(desk)) == (0, [20_000])
    assert before == (0, [])  # the access rate had not been accrued yet
    assert desk.lines(payment_id) == []
    desk.work(payment_id)
    assert desk.scripts["calin"].calls == []
    assert desk.differences() == []


def remaining(desk):
    rows = desk.rows(t.access_debts, "remaining") + desk.rows(t.plan_rows, "remaining")
    return [left for (left,) in rows]


def test_a_reversal_after_the_token_makes_the_energy_owed(desk):
    payment_id = desk.settled()

    desk.act("reverse", payment_id)

    assert desk.status(payment_id) == ("reversed", False, "reversed")
    assert desk.lines(payment_id) == [("credit", "-1000"), ("energy", "1000")]
    assert desk.credit() == -100_000
    assert desk.codes(payment_id) == [CODE]
    assert desk.differences() == []
    second = desk.pay(SERIAL, "1500", "R2")
    assert desk.lines(second) == [("credit", "1000"), ("energy", "500")]
    assert desk.credit() == 0
    assert desk.differences() == []


def test_a_reversal_reopens_instalments_even_of_delivered_days(desk):
    payment_id, customer_id = home_payment(desk, "700")
    desk.scripts["sunking"].generate.append(time_grant())
    desk.work(payment_id)

    desk.act("reverse", payment_id)

    assert remaining(desk) == [70_000] * 4
    assert desk.credit(customer_id) == 0
    assert desk.differences() == []


def test_an_instalment_of_a_plan_that_was_put_aside_becomes_owed(desk):
    payment_id, customer_id = home_payment(desk, "2800")
    desk.scripts["sunking"].generate.append(unlock_grant())
    desk.work(payment_id)
    with desk.engines.write.begin() as connection:
        connection.execute(sa.update(t.plans).values(live=False))

    desk.act("reverse", payment_id)

    assert desk.credit(customer_id) == -280_000
    assert remaining(desk) == [0, 0, 0, 0]
    assert desk.differences() == []


def test_a_reversal_of_unmatched_money_empties_suspense(desk):
    payment_id = desk.unmatched()

    desk.act("reverse", payment_id)

    assert desk.status(payment_id) == ("reversed", False, "reversed")
    assert desk.lines(payment_id) == []
    assert desk.differences() == []


@pytest.mark.parametrize("make", ["held", "released", "matched"])
def test_a_reversal_undoes_what_people_did_before(desk, make):
    if make == "matched":
        payment_id = desk.unmatched()
        desk.meter(SERIAL)
        desk.act("match", payment_id, SERIAL)
    else:
        payment_id = desk.held()
        if make == "released":
            desk.act("release", payment_id)

    desk.act("reverse", payment_id)

    assert desk.status(payment_id)[0] == "reversed"
    assert desk.lines(payment_id) == []
    assert desk.credit() == 0
    assert desk.differences() == []


def test_credit_that_was_spent_meanwhile_is_owed_after_its_reversal(desk):
    first = desk.held()
    desk.act("release", first)
    desk.pay(SERIAL, "500", "R2")  # spends the 1000 too

    desk.act("reverse", first)

    assert desk.credit() == -100_000
    assert desk.differences() == []


@pytest.mark.parametrize(
    ("answer", "status", "lines", "told"),
    [
        pytest.param(energy_grant(), "reversed", [("credit", "-1000"), ("energy", "1000")],
                     [TAKEN_BACK], id="the token came"),
        pytest.param(Refused("no"), "reversed", [], [], id="it was refused"),
        pytest.param(NotSent("down"), "reversed", [], [], id="it never got there"),
        pytest.param(lost(), "unknown", [("energy", "1000")], [], id="nobody knows"),
    ],
)  # fmt: skip
def test_a_reversal_waits_for_the_manufacturers_answer(desk, answer, status, lines, told):
    payment_id = desk.paid()

    def meanwhile(_order):
        desk.act("reverse", payment_id)
        assert desk.status(payment_id)[0] == "token_pending"
        if isinstance(answer, Exception):
            raise answer
        return answer

    desk.scripts["calin"].generate.append(meanwhile)
    desk.work(payment_id)

    assert desk.status(payment_id)[0] == status
    assert desk.lines(payment_id) == lines
    assert bool(desk.codes(payment_id)) is bool(told)
    assert desk.told(payment_id) == told  # whoever owes the price has what it bought
    assert desk.differences() == []


@pytest.mark.parametrize(
    ("verb", "arguments", "lines"),
    [
        pytest.param(
            "resolve_with_token", [codes(CODE)], [("credit", "-1000"), ("energy", "1000")],
            id="a token exists",
        ),
        pytest.param("resolve_not_minted", [], [], id="none exists"),
    ],
)  # fmt: skip
def test_a_reversal_of_an_unknown_payment_waits_for_people(desk, verb, arguments, lines):
    payment_id = desk.parked()
    desk.act("reverse", payment_id)
    assert desk.status(payment_id) == ("unknown", True, "outcome_unknown")

    desk.act(verb, payment_id, *arguments)
    if verb == "resolve_not_minted":
        desk.act("approve", payment_id, by=BARAKA)

    assert desk.status(payment_id) == ("reversed", False, "reversed")
    assert desk.lines(payment_id) == lines
    assert len(desk.scripts["calin"].asked()) == 1
    assert desk.differences() == []


def test_nothing_is_repeated_for_a_payment_that_is_being_reversed(engines):
    desk = Desk(engines, recovery=Recovery.KEYED)
    payment_id = desk.lost()
    desk.act("reverse", payment_id)
    desk.later(seconds=40)

    desk.work(payment_id)

    assert desk.order(payment_id)["status"] == "parked"
    assert desk.status(payment_id) == ("unknown", True, "outcome_unknown")
    assert len(desk.scripts["calin"].asked()) == 1


def test_a_repeat_that_is_queued_is_parked_by_a_reversal(engines):
    desk = Desk(engines, recovery=Recovery.KEYED)
    payment_id = desk.lost()
    desk.later(seconds=40)
    desk.work(payment_id)
    assert desk.status(payment_id)[0] == "token_pending"

    desk.act("reverse", payment_id)

    assert desk.order(payment_id)["status"] == "parked"
    desk.work(payment_id)
    assert len(desk.scripts["calin"].asked()) == 1


def test_a_reversal_lets_the_devices_next_order_go_on(desk):
    first = desk.paid()
    second = desk.pay(SERIAL, "1000", "R2")
    desk.work(second)
    assert desk.order(second)["due_at"] == desk.now + timedelta(minutes=1)

    desk.act("reverse", first)

    assert desk.order(second)["due_at"] == desk.now


# --- resend ---------------------------------------------------------------------------------------


def test_resend_sends_the_same_codes_again(desk):
    payment_id = desk.settled()
    sent(desk)

    desk.act("resend", payment_id)

    first, second = desk.view(payment_id)["messages"]
    assert (second["body"], second["to"]) == (first["body"], first["to"])
    assert second["status"] == "queued"


def sent(desk):
    with desk.engines.write.begin() as connection:
        connection.execute(sa.update(t.messages).values(status="sent"))


def test_resend_waits_while_a_message_still_waits(desk):
    payment_id = desk.settled()
    before = desk.everything()

    desk.act("resend", payment_id)

    assert desk.everything() == before


def test_resend_has_a_limit_per_payment(desk):
    """T-69."""
    payment_id = desk.settled()
    for _ in range(10):
        sent(desk)
        desk.act("resend", payment_id)
    sent(desk)

    assert refused(desk, "resend", payment_id) == (
        ActionCode.TOO_MANY_MESSAGES,
        (
            f"Messages of payment {payment_id} were sent again 10 times; read the token to the "
            "customer instead."
        ),
    )


def test_resend_has_nothing_to_send_before_anybody_was_told(desk):
    payment_id = desk.paid()

    assert refused(desk, "resend", payment_id) == (
        ActionCode.NO_MESSAGE,
        f"Nobody was told anything of payment {payment_id} yet.",
    )


# --- what holds for every verb --------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Deed:
    """How a test does one action: on which payment, by which verb, with what, and who."""

    make: str
    verb: str
    arguments: tuple = ()
    by: str = ANNA


DEEDS = {
    Action.RETRY: Deed(make="held", verb="retry"),
    Action.RELEASE: Deed(make="held", verb="release"),
    Action.RESOLVE: Deed(make="parked", verb="resolve_with_token", arguments=(codes(CODE),)),
    Action.MATCH: Deed(make="unmatched_beside_a_meter", verb="match", arguments=(SERIAL,)),
    Action.REVERSE: Deed(make="settled", verb="reverse"),
    Action.RESEND: Deed(make="settled_and_told", verb="resend"),
    Action.PROPOSE_REISSUE: Deed(make="settled", verb="reissue"),
    Action.PROPOSE_NOT_MINTED: Deed(make="parked", verb="resolve_not_minted"),
    Action.APPROVE_REISSUE: Deed(make="reissue_proposed", verb="approve", by=BARAKA),
    Action.APPROVE_NOT_MINTED: Deed(make="not_minted_proposed", verb="approve", by=BARAKA),
}


@pytest.mark.parametrize("action", Action)
def test_an_action_is_audited_once_and_repeating_it_changes_nothing(desk, action):
    deed = DEEDS[action]
    payment_id = getattr(desk, deed.make)()
    earlier = desk.audited()
    assert desk.act(deed.verb, payment_id, *deed.arguments, by=deed.by) is True
    before = desk.everything()
    written = [row for row in desk.audited() if row not in earlier]
    assert written == [(deed.by, f"payment.{action.value}", "the customer called")]

    desk.later(seconds=5)
    assert desk.act(deed.verb, payment_id, *deed.arguments, by=ANNA) is False
    assert desk.act(deed.verb, payment_id, *deed.arguments, by=BARAKA) is False

    assert desk.everything() == before


@pytest.mark.parametrize(
    ("verb", "make"),
    [
        (verb, make)
        for verb, made in {
            "retry": ["settled", "parked", "unmatched", "paid"],
            "release": ["settled", "parked", "unmatched", "paid"],
            "resolve_with_token": ["settled", "held", "unmatched", "paid"],
            "resolve_not_minted": ["settled", "held", "unmatched", "paid"],
            "reissue": ["held", "parked", "unmatched", "paid"],
            "match": ["held", "settled", "parked", "paid"],
        }.items()
        for make in made
    ],
)
def test_a_verb_is_refused_in_any_other_state(desk, verb, make):
    payment_id = getattr(desk, make)()
    desk.meter("47005555555", phone="0712000005")
    arguments = {"resolve_with_token": [codes(OTHER)], "match": ["47005555555"]}.get(verb, [])

    code, message = refused(desk, verb, payment_id, *arguments)

    assert (
        code
        == {
            "retry": "payment_not_held",
            "release": "payment_not_held",
            "resolve_with_token": "payment_not_unknown",
            "resolve_not_minted": "payment_not_unknown",
            "reissue": "payment_not_settled",
            "match": "payment_not_unmatched",
        }[verb]
    )
    assert message.startswith(f"Payment {payment_id} is ")


@pytest.mark.parametrize("verb", ["retry", "release", "reverse", "reissue", "approve", "resend"])
def test_a_verb_meets_only_payments_of_the_actors_company(desk, verb):
    payment_id = desk.held()

    with pytest.raises(ServiceRefused) as other:
        desk.act(verb, payment_id, company_id="company-other")
    with pytest.raises(ServiceRefused) as unknown:
        desk.act(verb, "f" * 32)

    assert other.value.code == unknown.value.code == "unknown_payment"
    assert str(other.value) == f"There is no payment with id '{payment_id}'."


def test_nobody_acts_without_a_reason(desk):
    payment_id = desk.held()

    with pytest.raises(ServiceRefused) as refusal, desk.engines.write.begin() as connection:
        desk.actions.retry(connection, payment_id, desk.by(reason="  "), company_id=None)

    assert refusal.value.code == ActionCode.REASON_REQUIRED
    assert str(refusal.value) == "Say why; it is kept with the payment for ever."


def test_a_payment_that_is_being_reversed_takes_nothing_new(desk):
    payment_id = desk.parked()
    desk.act("reverse", payment_id)
    before = desk.everything()

    desk.act("reverse", payment_id)

    assert desk.everything() == before


def test_money_that_never_came_cannot_be_reversed(desk):
    payment_id = desk.settled()
    with desk.engines.write.begin() as connection:
        connection.execute(sa.update(t.payments).values(status="validated"))

    with pytest.raises(ServiceRefused) as refusal:
        desk.act("reverse", payment_id)

    assert refusal.value.code == ActionCode.PAYMENT_NOT_BOOKED
    assert str(refusal.value) == (
        f"Payment {payment_id} is validated; there is nothing to take back."
    )


# --- plans of other devices -----------------------------------------------------------------------


def two_homes(desk):
    """A customer with two home systems; the last row of the first one's plan is overdue."""
    sale = PlanTerms(
        cost=desk.money("500"), instalments=1, sold_on=today(desk) - timedelta(days=60)
    )
    first = desk.home("11111111", sale=sale)
    desk.home("22222222", phone="0712345999")
    with desk.engines.write.begin() as connection:
        d = t.devices.c
        connection.execute(
            sa.update(t.devices).where(d.serial == "22222222").values(customer_id=first.customer_id)
        )
    return first.customer_id


def test_a_payment_that_pays_another_device_off_unlocks_that_one_too(desk):
    customer_id = two_homes(desk)
    desk.meter(SERIAL)
    with desk.engines.write.begin() as connection:
        move = sa.update(t.devices).where(t.devices.c.serial == SERIAL)
        connection.execute(move.values(customer_id=customer_id))
    payment_id = desk.pay(SERIAL, "1500", "R1")
    desk.scripts["calin"].generate.append(energy_grant())
    desk.scripts["sunking"].generate.append(unlock_grant())

    desk.work(payment_id)

    view = desk.view(payment_id)
    assert desk.lines(payment_id) == [("instalment", "500"), ("energy", "1000")]
    assert [(one["kind"], one["device_serial"]) for one in view["tokens"]] == [
        ("energy", SERIAL),
        ("unlock", "11111111"),
    ]
    assert desk.status(payment_id) == ("settled", False, "")
    assert desk.told(payment_id)[1] == ("Device 11111111 is paid off and unlocked. Token: *9 999#")
    assert desk.differences() == []


def test_a_payment_is_settled_only_when_the_other_device_is_unlocked_too(desk):
    customer_id = two_homes(desk)
    desk.meter(SERIAL)
    with desk.engines.write.begin() as connection:
        move = sa.update(t.devices).where(t.devices.c.serial == SERIAL)
        connection.execute(move.values(customer_id=customer_id))
    payment_id = desk.pay(SERIAL, "500", "R1")
    assert desk.status(payment_id)[0] == "token_pending"
    assert desk.told(payment_id) == ["Payment of 500 TZS received. Paid: instalments 500."]
    desk.scripts["sunking"].generate += [Refused("unknown unit"), unlock_grant()]
    desk.work(payment_id)
    assert desk.status(payment_id) == ("held", True, "vendor_refused")

    desk.act("retry", payment_id)
    desk.work(payment_id)

    assert desk.status(payment_id) == ("settled", False, "")
    assert desk.told(payment_id)[-1] == ("Device 11111111 is paid off and unlocked. Token: *9 999#")
    assert desk.differences() == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_no_token_is_said_to_be_on_its_way_once_its_payment_is_taken_back(desk, monkeypatch):
    """The reversal comes between the worker's look at the order and its lock."""
    payment_id = desk.lost()
    desk.later(minutes=3)
    desk.change_instance("calin", state=InstanceState.REMOVED)
    lock_payment, reversals = order_worker.lock_payment, []

    def lock_late(connection, payment_id):
        if not reversals:
            reversals.append(desk.act("reverse", payment_id))
        return lock_payment(connection, payment_id)

    monkeypatch.setattr(order_worker, "lock_payment", lock_late)
    desk.work(payment_id)

    assert reversals == [True]
    assert desk.told(payment_id) == []
