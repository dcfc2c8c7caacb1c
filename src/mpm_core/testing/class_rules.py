"""Every plugin: its class, package, simulator and health, C-01 to C-19."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from mpm_core.discovery import canonical_name
from mpm_core.discovery.plugin_checks import class_problems
from mpm_core.errors import PluginLoadError
from mpm_core.health import Health
from mpm_core.manifest import Manifest, PluginKind
from mpm_core.manifest_checks import LONGEST_DEADLINE
from mpm_core.money import currency_exponent
from mpm_core.payments import ReasonCode
from mpm_core.testing.cases import Case
from mpm_core.testing.rules import RuleBook, RuleBroken
from mpm_core.testing.samples import objection_arguments, told_arguments
from mpm_core.testing.stages import open_stage
from mpm_core.testing.truth import expect_sound
from mpm_core.testing.watch import watched_deeds

__all__ = ["BOOK"]

BOOK = RuleBook()
_MEANINGS = frozenset({"accepted", "refused", "throttled", "misconfigured", "unknown"})
_FAULT = "a fault no simulator has"
_TOLD = (
    "mpm_payment_accepted",
    "mpm_payment_settled",
    "mpm_token_issued",
    "mpm_order_held",
    "mpm_device_registered",
    "mpm_message_sent",
)


@BOOK.rule(
    "C-01",
    "it is installed and fits this core",
    promise="The entry point of group `mpm_core.plugins` is found under its canonical name, its "
    "distribution requires `mpm-payg-core` in a version that is installed, and says in one line "
    "what it is.",
    remedy='[project.entry-points."mpm_core.plugins"] name = "module:Class", dependencies = '
    '["mpm-payg-core>=…"] and a description, in pyproject.toml.',
    applies=lambda subject: subject.installed is not None,
    when="installed plugins (always, in a contract test)",
)
def _installed(case: Case) -> None:
    installed = case.subject.installed
    if installed is None:
        return
    if installed.problem or not installed.compatible:
        raise RuleBroken(installed.problem)
    if canonical_name(installed.name) != installed.name or not installed.summary.strip():
        raise RuleBroken(f"{installed} has no summary.")


@BOOK.rule(
    "C-02",
    "its class can be called the way hooks are called",
    promise="No misspelt hook, no keyword-only argument, no default, no coroutine, no "
    "generator, no equality of its own; settings and runtime make it; the hooks its "
    "manifest promises are there.",
    remedy="the line that stands at the end of what was seen.",
)
def _strict_class(case: Case) -> None:
    problems = class_problems(case.subject.plugin_class)
    if problems:
        raise RuleBroken("\n         ".join(problems))


@BOOK.rule(
    "C-03",
    "each instance is itself and no other",
    promise="Two instances are made from the same settings; each equals itself only and can "
    "stand in a set.",
    remedy="no __eq__ and no __hash__; with attrs: @attrs.define(eq=False).",
)
def _identity(case: Case) -> None:
    with open_stage(case) as first, open_stage(case, instance="other") as second:
        instances = [first.plugin, second.plugin]
        if instances[0] == instances[1] or instances[0] != instances[0]:
            raise RuleBroken("two instances are equal.")
        try:
            count = len({*instances})
        except TypeError:
            count = 0
        if count != len(instances):
            raise RuleBroken("an instance cannot be hashed.")


@BOOK.rule(
    "C-04",
    "its manifest is complete and can be read",
    promise="A title; a deadline of at most 120 s; a concurrency of at least 1; currencies, "
    "steps and limits that are amounts, the minimum not above the maximum; every "
    "result code with a known meaning, its source, and a day that is past.",
    remedy="the manifest's field that was seen.",
)
def _manifest(case: Case) -> None:
    manifest = case.subject.manifest
    for problem in (*_manifest_problems(manifest), *_code_problems(manifest)):
        raise RuleBroken(problem)


def _manifest_problems(manifest: Manifest) -> list[str]:
    problems = []
    if not manifest.title.strip():
        problems.append("title is empty.")
    if not 0 < manifest.deadline <= LONGEST_DEADLINE:
        problems.append(f"deadline is {manifest.deadline:g} s.")
    if manifest.concurrency < 1:
        problems.append(f"concurrency is {manifest.concurrency}.")
    problems += [f"{code!r} is no currency." for code in _wrong_currencies(manifest)]
    if manifest.kind is PluginKind.MANUFACTURER and not manifest.operations:
        problems.append("a manufacturer declares no operation.")
    low, high = (_amount(text) for text in (manifest.minimum_amount, manifest.maximum_amount))
    if None in {low, high} and (manifest.minimum_amount or manifest.maximum_amount):
        given = (manifest.minimum_amount, manifest.maximum_amount)
        if any(text is not None and _amount(text) is None for text in given):
            problems.append(f"minimum_amount and maximum_amount are {given}.")
    elif low is not None and high is not None and low > high:
        problems.append(f"minimum_amount {low} is above maximum_amount {high}.")
    return problems


def _wrong_currencies(manifest: Manifest) -> list[str]:
    wrong = []
    for currency in (*manifest.currencies, *manifest.payment_step):
        try:
            currency_exponent(currency)
        except ValueError:
            wrong.append(currency)
    return wrong


def _amount(text: str | None) -> Decimal | None:
    try:
        amount = Decimal(text or "")
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


def _code_problems(manifest: Manifest) -> list[str]:
    today = datetime.now(UTC).date()
    return [
        f"result code {code.code!r} has the meaning {code.meaning!r}, the source {code.source!r} "
        f"and was seen on {code.seen_on}."
        for code in manifest.result_codes
        if code.meaning not in _MEANINGS or not code.source.strip() or code.seen_on > today
    ]


@BOOK.rule(
    "C-05",
    "making an instance only keeps what it is given",
    promise="The constructor opens no connection, starts no thread or program, writes no file and "
    "prints nothing: the host makes every instance at start, vendor reachable or not.",
    remedy="do in a hook what needs the vendor; keep settings and runtime in __init__.",
)
def _quiet_constructor(case: Case) -> None:
    with watched_deeds() as seen, open_stage(case) as stage:
        requests = len(stage.front.exchanges)
    if seen or requests:
        raise RuleBroken(f"the constructor {seen[0] if seen else 'called the vendor'}.")


@BOOK.rule(
    "C-06",
    "its simulator is fresh, strict and needs no settings",
    promise="`mpm_simulator` works before there are settings and returns another simulator each "
    "time; `settings` are taken by the settings class; faults have names of their own, an unknown "
    "one is a `ValueError`, and `clear_faults` turns all off.",
    remedy="return MySimulator() from mpm_simulator, with mpm_core.FaultSwitches for its faults.",
)
def _simulator(case: Case) -> None:
    try:
        first, second = case.subject.simulator(), case.subject.simulator()
    except PluginLoadError as error:
        raise RuleBroken(str(error)) from None
    if first is second:
        raise RuleBroken("mpm_simulator returned the same simulator twice.")
    names = first.faults()
    if len(set(names)) != len(names):
        raise RuleBroken(f"a fault stands twice among {', '.join(names)}.")
    try:
        first.set_fault(_FAULT)
    except ValueError:
        pass
    else:
        raise RuleBroken("set_fault took a fault that does not exist.")
    for name in names:
        first.set_fault(name, serial="1", times=1)
    first.clear_faults()
    with open_stage(case):
        pass


@BOOK.rule(
    "C-07",
    "its simulated vendor is where its settings say",
    promise="Every URL in the simulator's settings lies below the base URL it was given, and every "
    "setting that holds one is named by the manifest's `url_settings`, whose hosts alone may be "
    "called.",
    remedy="url_settings=(…) in the manifest: all settings with the URLs of the vendor.",
)
def _declared_hosts(case: Case) -> None:
    base = "http://127.0.0.1:9/here"
    given = case.subject.simulator().settings(base)
    named = case.subject.manifest.url_settings
    urls = {name: text for name, text in given.items() if str(text).startswith(("http:", "https:"))}
    for name, url in urls.items():
        if not str(url).startswith(base):
            raise RuleBroken(f"the simulator's setting {name!r} points elsewhere: {url}.")
        if name not in named:
            raise RuleBroken(f"the setting {name!r} holds a URL, but url_settings do not name it.")
    missing = [name for name in named if name not in urls]
    if missing:
        raise RuleBroken(f"the simulator's settings lack {', '.join(missing)}.")


@BOOK.rule(
    "C-08",
    "it says whether the other side is reachable",
    promise="`mpm_check` answers `ok` against its simulator. With nobody at the vendor's "
    "address it answers not `ok` with a sentence, or raises an error of the contract, "
    "before the deadline.",
    remedy="@hookimpl def mpm_check(self, context: CallContext) -> Health: …",
)
def _health(case: Case) -> None:
    if not case.subject.has("mpm_check"):
        raise RuleBroken("there is no hook mpm_check.")
    with open_stage(case) as stage:
        well = stage.call("mpm_check")
    if not isinstance(well.answer, Health) or not well.answer.ok:
        raise RuleBroken(f"against its own simulator, mpm_check ended with {well}.")
    if not case.subject.calls_out:
        return
    with open_stage(case, reachable=False) as stage:
        ill = stage.call("mpm_check")
    expect_sound(ill, "With nobody at the vendor's address")
    if ill.error is None and (ill.answer.ok or not ill.answer.detail):
        raise RuleBroken(f"with nobody at the vendor's address, mpm_check answered {ill}.")


@BOOK.rule(
    "C-09",
    "an objection has a code people can look up",
    promise="`mpm_validate_payment` answers nothing or an objection whose code is one of "
    "`ReasonCode` or begins with the plugin's name, with a message; the same for the same payment.",
    remedy='Objection(code="acme_blocked", message="…") for a plugin named acme.',
    applies=lambda subject: subject.has("mpm_validate_payment"),
    when="`mpm_validate_payment`",
)
def _objections(case: Case) -> None:
    prefix = f"{case.subject.name.replace('-', '_')}_"
    with open_stage(case) as stage:
        for arguments in objection_arguments(case.subject):
            first, second = (stage.call("mpm_validate_payment", **arguments) for _ in range(2))
            expect_sound(first, "Asked about a payment")
            objection = first.answer
            if first.answer != second.answer:
                raise RuleBroken("the same payment was answered differently when asked again.")
            if objection is None:
                continue
            known = objection.code in set(ReasonCode) or objection.code.startswith(prefix)
            if not known or not objection.message.strip():
                raise RuleBroken(
                    f"the objection's code is {objection.code!r}, its message "
                    f"{objection.message!r}."
                )


@BOOK.rule(
    "C-10",
    "it hears what it asked to hear",
    promise="Every hook that is *told* something takes the arguments of the contract without an "
    "error.",
    remedy="catch nothing and answer nothing; do only what cannot fail.",
    applies=lambda subject: any(hook in subject.hooks for hook in _TOLD),
    when="hooks that are told, such as `mpm_payment_accepted`",
)
def _told(case: Case) -> None:
    with open_stage(case) as stage:
        for hook, arguments in told_arguments(case.subject).items():
            if case.subject.has(hook):
                outcome = stage.call(hook, **arguments)
                if outcome.error is not None:
                    raise RuleBroken(f"{hook} ended with {outcome}")
