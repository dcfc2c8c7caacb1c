"""The scenes of the demo: each plays a story through real HTTP and checks how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from mpm_core import SimulatedPayment
from mpm_core.plans import Period
from mpm_host.demo.simulated_world import SimulatedWorld
from mpm_host.registration.plan_terms import PlanTerms

__all__ = ["Scene", "SceneResult", "more_payments", "scenes", "typed_in"]

Payment = Mapping[str, object]
_PHONES = "+25578123{:04d}"


@attrs.frozen(kw_only=True)
class SceneResult:
    """How a scene ended.

    Attributes:
        notes: what happened on the way, one sentence each.
        payment: as the public interface shows it.
        surprises: what should have been otherwise; empty when all is well.
    """

    notes: tuple[str, ...] = ()
    payment: Payment
    surprises: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Scene:
    """One story of the demo."""

    title: str
    play: Callable[[SimulatedWorld], SceneResult]


def scenes() -> tuple[Scene, ...]:
    """Return the stories in the order they are played."""
    return (
        Scene(title="Anna buys energy for her meter", play=_no_debt),
        Scene(title="Baraka owes for a TV and his access rate", play=_debts_first),
        Scene(title="Chiku pays less than she owes", play=_only_debt),
        Scene(title="Daudi pays a week of his solar home system", play=_days),
        Scene(title="Esther pays her last instalment", play=_unlock),
        Scene(title="Somebody mistypes a serial", play=_unknown_serial),
        Scene(title="The telecom says three times that Anna paid", play=_three_times),
        Scene(title="The token server is down, then back", play=_down_then_back),
        Scene(title="The token server mints, but its answer is lost", play=_lost_answer),
    )


def more_payments(world: SimulatedWorld, count: int) -> tuple[Scene, ...]:
    """Return ordinary payments of one more meter, alternately through both telecoms."""
    if count <= 0:
        return ()
    serial = "47000124900"
    world.customer_with_meter("Zawadi", _phone(90), serial, world.tariff("Further", "100"))

    def scene(number: int) -> Scene:
        telecom = ("airtel", "vodacom")[number % 2]
        return Scene(
            title=f"One more payment ({number + 1} of {count})",
            play=lambda world: _pay(
                world, telecom, f"MORE{number:08d}", serial, "1000", expected=_energy("10")
            ),
        )

    return tuple(scene(number) for number in range(count))


# --- stories --------------------------------------------------------------------------------------


def _no_debt(world: SimulatedWorld) -> SceneResult:
    tariff = world.tariff("Household", "130")
    world.customer_with_meter("Anna", _phone(1), "47000124512", tariff)
    expected = {
        "status": "settled",
        "lines": [("energy", "988"), ("credit", "12")],
        "tokens": [("energy", "7.6", "kWh")],
    }
    result = _pay(world, "airtel", "AIR0000000001", "47000124512", "1000", expected=expected)
    return typed_in(world, result)


def _debts_first(world: SimulatedWorld) -> SceneResult:
    tariff = world.tariff("Shop", "130", access_rate="200")
    customer = world.customer_with_meter("Baraka", _phone(2), "47000124520", tariff, days_ago=10)
    world.owes(customer, "TV", "300", days_overdue=3)
    expected = {
        "status": "settled",
        "lines": [
            ("instalment", "300"),
            ("access_rate", "200"),
            ("energy", "494"),
            ("credit", "6"),
        ],
        "tokens": [("energy", "3.8", "kWh")],
    }
    result = _pay(world, "vodacom", "VOD0000000002", "47000124520", "1000", expected=expected)
    return typed_in(world, result)


def _only_debt(world: SimulatedWorld) -> SceneResult:
    tariff = world.tariff("Workshop", "100")
    customer = world.customer_with_meter("Chiku", _phone(3), "47000124538", tariff)
    world.owes(customer, "Mill", "900", days_overdue=5)
    expected = {"status": "settled", "lines": [("instalment", "500")], "tokens": []}
    return _pay(world, "airtel", "AIR0000000003", "47000124538", "500", expected=expected)


def _days(world: SimulatedWorld) -> SceneResult:
    sale = PlanTerms(
        cost=world.money("2800"), instalments=4, period=Period.WEEKLY, sold_on=world.today
    )
    world.customer_with_device("Daudi", _phone(4), "996995411", sale)
    expected = {
        "status": "settled",
        "lines": [("instalment", "700")],
        "tokens": [("time", 7, "days")],
    }
    result = _pay(world, "vodacom", "VOD0000000004", "996995411", "700", expected=expected)
    return typed_in(world, result)


def _unlock(world: SimulatedWorld) -> SceneResult:
    sale = PlanTerms(
        cost=world.money("1000"), instalments=1, period=Period.MONTHLY, sold_on=world.today
    )
    world.customer_with_device("Esther", _phone(5), "996995429", sale)
    expected = {
        "status": "settled",
        "lines": [("instalment", "1000")],
        "tokens": [("unlock", None, None)],
    }
    result = _pay(world, "airtel", "AIR0000000005", "996995429", "1000", expected=expected)
    return typed_in(world, result)


def _unknown_serial(world: SimulatedWorld) -> SceneResult:
    expected = {"status": "rejected", "lines": [], "tokens": [], "reason": "unknown_serial"}
    return _pay(world, "airtel", "AIR0000000006", "X999", "1000", expected=expected)


def _three_times(world: SimulatedWorld) -> SceneResult:
    payment = _payment(world, "AIR0000000007", "47000124512", "520")
    payer = world.payers["airtel"]
    validation = payer.validate(payment)
    answers = [payer.process(payment, validation) for _ in range(3)]
    expected = {
        "status": "settled",
        "lines": [("credit", "-12"), ("energy", "520"), ("credit", "12")],
        "tokens": [("energy", "4", "kWh")],
    }
    found = world.wait_for(payment.reference)
    surprises = list(_differences(found, expected))
    if len({(a.reply.status, a.reply.body) for a in answers if a is not None}) != 1:
        surprises.append("the three answers are not equal")
    return SceneResult(
        notes=("Process was called three times; the three answers are equal byte for byte.",),
        payment=found,
        surprises=tuple(surprises),
    )


def _down_then_back(world: SimulatedWorld) -> SceneResult:
    serial, simulator = "47000124546", world.simulators["calin"]
    tariff = world.tariff("Clinic", "100")
    customer = world.customer_with_meter("Fatma", _phone(8), serial, tariff)
    world.owes(customer, "Fridge", "300", days_overdue=2)
    simulator.set_fault("unavailable", serial=serial, times=1)
    payment = _payment(world, "VOD0000000008", serial, "1000")
    world.payers["vodacom"].pay(payment)
    waiting = _first_failure(world, payment.reference)
    expected = {
        "status": "settled",
        "lines": [("instalment", "300"), ("energy", "700")],
        "tokens": [("energy", "7", "kWh")],
    }
    found = world.wait_for(payment.reference)
    surprises = list(_differences(found, expected))
    if waiting["status"] != "token_pending" or waiting["lines"] != found["lines"]:
        surprises.append("the debt did not stay cleared while the token server was down")
    result = SceneResult(
        notes=(
            "While the server was down the payment waited as token_pending, the debt cleared.",
            "When it was back, the token came by itself.",
        ),
        payment=found,
        surprises=tuple(surprises),
    )
    return typed_in(world, result)


def _lost_answer(world: SimulatedWorld) -> SceneResult:
    serial, simulator = "47000124553", world.simulators["calin"]
    world.customer_with_meter("Godfrey", _phone(9), serial, world.tariff("Farm", "100"))
    simulator.set_fault("lose_answer", serial=serial, times=1)
    payment = _payment(world, "AIR0000000009", serial, "1000")
    payer = world.payers["airtel"]
    payer.pay(payment)
    unknown = world.wait_for(payment.reference, ("unknown",))
    world.look_after(str(unknown["id"]))
    found = world.wait_for(payment.reference, ("unknown",))
    expected = {
        "status": "unknown",
        "needs_person": True,
        "lines": [("energy", "1000")],
        "tokens": [],
    }
    surprises = list(_differences(found, expected))
    enquiry = payer.enquire(payment)
    if enquiry is None or b"<STATUS>200</STATUS>" not in enquiry.reply.body:
        surprises.append("the telecom's enquiry was not answered 200")
    if len(_attempts(found)) != 1:
        surprises.append("the token server was asked more than once")
    return SceneResult(
        notes=(
            "A token may exist, so nothing is minted again: a person must decide.",
            "The telecom's enquiry hears that the money is ours.",
        ),
        payment=found,
        surprises=tuple(surprises),
    )


# --- how ------------------------------------------------------------------------------------------


def _phone(number: int) -> str:
    return _PHONES.format(number)


def _payment(world: SimulatedWorld, reference: str, serial: str, amount: str) -> SimulatedPayment:
    return SimulatedPayment(
        reference=reference, serial=serial, amount=world.money(amount), msisdn="255781234567"
    )


def _pay(  # noqa: PLR0913 - who pays what for which device, and what should come of it
    world: SimulatedWorld,
    telecom: str,
    reference: str,
    serial: str,
    amount: str,
    *,
    expected: Payment,
) -> SceneResult:
    calls = world.payers[telecom].pay(_payment(world, reference, serial, amount))
    found = world.wait_for(reference)
    made = ", ".join(f"{call.path} → {call.reply.status}" for call in calls)
    return SceneResult(
        notes=(f"{telecom.title()} called {made}.",),
        payment=found,
        surprises=tuple(_differences(found, expected)),
    )


def typed_in(
    world: SimulatedWorld, result: SceneResult, makers: Sequence[str] = ("calin", "sunking")
) -> SceneResult:
    """Type the tokens into the simulated device: it must accept each of them."""
    serial = str(result.payment["serial"])
    shown = []
    typed = [token for token in _listed(result.payment["tokens"]) if token["value"]]
    for token in typed:  # a device that is credited remotely has none
        for maker in makers:
            if world.manifests[maker].serial_pattern.fullmatch(serial):
                shown.append(world.simulators[maker].use_token(serial, str(token["value"])))
                break
    refused = tuple(text for text in shown if not text.startswith("accepted"))
    return attrs.evolve(
        result,
        notes=(*result.notes, *(f"The device shows: {text}." for text in shown)),
        surprises=(*result.surprises, *(f"the device shows: {text}" for text in refused)),
    )


def _first_failure(world: SimulatedWorld, reference: str) -> Payment:
    """Return the payment as it stands after the first attempt failed."""
    found = world.wait_for(reference, ("token_pending", "settled"))
    while not any(attempt["outcome"] != "sent" for attempt in _attempts(found)):
        found = world.wait_for(reference, ("token_pending", "settled"))
    return found


def _energy(kwh: str) -> Payment:
    return {"status": "settled", "tokens": [("energy", kwh, "kWh")]}


def _listed(value: object) -> Sequence[Mapping[str, object]]:
    return value if isinstance(value, list) else []


def _attempts(payment: Payment) -> Sequence[Mapping[str, object]]:
    return _listed(payment["attempts"])


def _differences(payment: Payment, expected: Payment) -> Sequence[str]:
    seen: dict[str, object] = {
        **payment,
        "lines": [(line["kind"], line["amount"]) for line in _listed(payment["lines"])],
        "tokens": [(t["kind"], t["quantity"], t["unit"]) for t in _listed(payment["tokens"])],
    }
    return [
        f"{name} is {seen[name]!r}, not {value!r}"
        for name, value in expected.items()
        if seen[name] != value
    ]
