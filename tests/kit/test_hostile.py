"""Hostile plugins: the host contains them, their neighbours serve, and the kit names the rule."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import attrs
import pytest

from mpm_core import (
    ChargeKind,
    Company,
    ContractViolation,
    Grant,
    MpmError,
    Order,
    OutcomeUnknown,
    PluginRuntime,
)
from mpm_core.company_plugins import CompanyPlugins, DispatchLimits, load_instance
from mpm_core.outbound import OutboundClient
from mpm_core.testing import RULES, Case, RuleBroken
from mpm_core.testing.purchases import charge_for, device_of
from mpm_core.testing.stages import open_stage
from tests.kit import hostile_meters as hostile
from tests.kit.acme_meters import AcmeMeters, AcmeSettings
from tests.kit.subjects import subject_of

DEADLINE = 0.3
PATIENT = 10.0
FIXED = "Nothing happened; the plugin's author must fix it."
WHOSE = "Plugin acme (mpm-acme 1.0), instance hostile of company umeme: mpm_generate_token"
COMPANY = Company(
    slug="umeme", name="Umeme", country="TZ", currency="TZS", timezone="Africa/Dar_es_Salaam"
)

ATTACKS = {
    hostile.Raises: "raised RuntimeError (hostile_meters.py line",
    hostile.Exits: "raised SystemExit (hostile_meters.py line",
    hostile.Interrupts: "raised KeyboardInterrupt (hostile_meters.py line",
    hostile.OwnBaseException: "raised BaseException (hostile_meters.py line",
    hostile.Recurses: "raised RecursionError (hostile_meters.py line",
    hostile.AnswersNothing: "answered wrongly: it is NoneType, not Grant or Pending",
    hostile.AnswersAnotherType: "answered wrongly: it is str, not Grant or Pending",
    hostile.AnswersALookalike: "answered wrongly: it is Grant, not Grant or Pending",
    hostile.AnswersHugely: "code 1 of the grant is not 1 to 64 printable characters",
    hostile.AnswersManyCodes: "the grant holds 100000 codes, more than 10",
    hostile.AnswersFractions: "the grant's quantity is not a whole number",
    hostile.ChangesItsArguments: "raised TypeError (hostile_meters.py line",
    hostile.PrintsSecrets: "raised RuntimeError (hostile_meters.py line",
    hostile.StartsThreads: "raised RuntimeError (hostile_meters.py line",
}


def instance(plugin_class: type, name: str, url: str, deadline: float):
    http = OutboundClient(
        allowed_hosts=["/".join(url.split("/")[:3])],
        allow_plain_http=True,
        allow_private_addresses=True,
    )
    loaded = load_instance(
        plugin_class,
        AcmeSettings(api_url=url, user="acme-user", api_key="simulated-acme-key"),
        PluginRuntime(company=COMPANY, instance=name, http=http),
        name=name,
        plugin_name="acme",
        distribution="mpm-acme",
        version="1.0",
    )
    return attrs.evolve(loaded, manifest=attrs.evolve(loaded.manifest, deadline=deadline))


def _deadline_of(plugin_class: type) -> float:
    return DEADLINE if plugin_class is hostile.Hangs else PATIENT


@pytest.fixture
def sell(workshop):
    """Return a seller for a company with a hostile instance and a good one."""
    subject = subject_of(AcmeMeters)
    with open_stage(Case(subject=subject, workshop=workshop)) as stage:
        stage.deliver(subject.serial)
        order = {"key": "a" * 32, "attempt": 1, "created_at": datetime.now(UTC)}

        def seller(plugin_class: type):
            url = str(stage.raw["api_url"])
            plugins = CompanyPlugins(
                COMPANY,
                [
                    instance(plugin_class, "hostile", url, _deadline_of(plugin_class)),
                    instance(AcmeMeters, "neighbour", url, PATIENT),
                ],
                clock=lambda: datetime.now(UTC),
                limits=DispatchLimits(grace=0.1),
            )

            def one(name: str, key: str = "a") -> object:
                return plugins.generate_token(
                    name,
                    device_of(subject, subject.serial),
                    charge_for(subject, ChargeKind.ENERGY),
                    Order(**{**order, "key": key * 32}),
                    correlation_id="c-1",
                )

            return one

        yield seller


@pytest.mark.parametrize(
    ("attack", "problem"), list(ATTACKS.items()), ids=[one.__name__ for one in ATTACKS]
)
def test_a_hostile_plugin_is_contained_and_its_neighbour_serves(sell, attack, problem, capsys):
    one = sell(attack)

    with pytest.raises(MpmError) as failed:
        one("hostile")

    assert type(failed.value) is ContractViolation
    assert str(failed.value).startswith(f"{WHOSE} {problem}" if "raised" in problem else WHOSE)
    assert problem in str(failed.value)
    assert str(failed.value).endswith(FIXED)
    assert "simulated-acme-key" not in str(failed.value)
    assert isinstance(one("neighbour", "b"), Grant)


def test_a_hostile_plugin_that_answers_for_another_device_is_not_believed(sell):
    one = sell(hostile.AnswersForAnother)

    with pytest.raises(MpmError) as failed:
        one("hostile")

    assert not isinstance(failed.value, Grant)
    assert isinstance(one("neighbour", "b"), Grant)


def test_a_hostile_plugin_that_hangs_is_left_behind_at_its_deadline(sell):
    one = sell(hostile.Hangs)
    hostile.Hangs.released.clear()
    try:
        with pytest.raises(OutcomeUnknown, match=f"gave no answer within {DEADLINE} s"):
            one("hostile")
        assert isinstance(one("neighbour", "b"), Grant)
    finally:
        hostile.Hangs.released.set()


def test_threads_that_a_hostile_plugin_started_do_not_stop_the_host(sell):
    before = threading.active_count()
    one = sell(hostile.StartsThreads)
    with pytest.raises(ContractViolation):
        one("hostile")
    assert isinstance(one("neighbour", "b"), Grant)
    assert threading.active_count() < before + 40


# --- the kit is a host too ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attack", [*ATTACKS, hostile.AnswersForAnother], ids=lambda attack: attack.__name__
)
def test_the_kit_survives_a_hostile_plugin_and_names_the_rule(workshop, attack):
    case = Case(subject=subject_of(attack), workshop=workshop, examples=3, shrink=False)

    with pytest.raises(RuleBroken, match=r"^M-19 "):
        RULES["M-19"].check(case)


@pytest.mark.parametrize(
    ("attack", "number"),
    [
        (hostile.PrintsSecrets, "C-22"),
        (hostile.PrintsSecrets, "C-25"),
        (hostile.StartsThreads, "C-20"),
    ],
    ids=["prints", "prints secrets", "starts threads"],
)
def test_the_kit_names_what_a_hostile_plugin_does_besides(workshop, attack, number):
    case = Case(subject=subject_of(attack), workshop=workshop, examples=3)

    with pytest.raises(RuleBroken, match=f"^{number} "):
        RULES[number].check(case)
