# ruff: noqa: ARG002, ARG005 - a hook names the arguments it is given, used or not
from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import attrs
import pytest

from mpm_core import (
    CallContext,
    Charge,
    Decision,
    Device,
    DeviceMapping,
    DeviceReading,
    Grant,
    Health,
    MessageReceipt,
    Misconfigured,
    MpmError,
    NotFound,
    NotSent,
    NotSupported,
    Objection,
    Order,
    OutcomeUnknown,
    Pending,
    PluginLoadError,
    PluginRuntime,
    Prepared,
    ProviderState,
    PushReceipt,
    PushState,
    Refused,
    Reply,
    ReportReceipt,
    Secret,
    SettingsError,
    Throttled,
    Verdict,
    hookimpl,
)
from mpm_core.company_plugins import Asked, CompanyPlugins, DispatchLimits, load_instance
from mpm_core.company_plugins.circuit import CircuitLimits
from tests.core.plugin_builders import (
    CALL,
    CHARGE,
    FACTS,
    GRANT,
    NOW,
    QUOTE,
    VALIDATION,
    WHOSE,
    NoSettings,
    company,
    device,
    generate,
    http,
    loaded,
    manifest,
    message,
    one_hook,
    order,
    plugins,
)

VERDICT = Verdict(decision=Decision.ACCEPTED)


class Counting:
    """Counts its calls and answers with the count as the code."""

    manifest = manifest()

    def __init__(self, settings: object, runtime: PluginRuntime) -> None:
        del settings
        self.who = f"{runtime.company.slug}/{runtime.instance}"
        self.calls = 0
        self.lock = threading.Lock()

    @hookimpl
    def mpm_generate_token(self, device: Device, order: Order) -> Grant:
        with self.lock:
            self.calls += 1
        return attrs.evolve(GRANT, codes=(Secret(device.serial),), vendor_reference=self.who)


# --- routing --------------------------------------------------------------------------------------


def test_routed_call_reaches_the_named_instance_only() -> None:
    south, north = loaded(Counting), loaded(Counting, name="north")
    dispatch = plugins(south, north)
    answer = dispatch.generate_token("north", device(), CHARGE, order(), correlation_id="c-1")
    assert answer == attrs.evolve(GRANT, codes=(Secret("47"),), vendor_reference="umeme/north")
    assert (south.instance.calls, north.instance.calls) == (0, 1)
    assert dispatch.names == ("north", "south")
    assert dispatch.instance("north") is north


def test_hook_gets_the_context_of_its_call() -> None:
    seen: list[CallContext] = []

    def keep(context: CallContext) -> Grant:
        seen.append(context)
        return GRANT

    generate(plugins(loaded(one_hook("mpm_generate_token", keep, deadline=7.0))))
    assert seen == [
        CallContext(company="umeme", instance="south", correlation_id="c-1", now=NOW, deadline=7.0)
    ]


def test_instance_that_is_not_loaded_is_misconfigured() -> None:
    dispatch = plugins(loaded(Counting))
    with pytest.raises(Misconfigured) as caught:
        dispatch.check("west", correlation_id="c")
    assert str(caught.value) == (
        "Company umeme has no instance west loaded; enable it or choose another. Nothing was "
        "called."
    )


def test_hook_that_is_not_implemented_is_not_supported() -> None:
    dispatch = plugins(loaded(Counting))
    with pytest.raises(NotSupported) as caught:
        dispatch.check("south", correlation_id="c")
    assert str(caught.value) == (
        "Plugin calin (mpm-calin 1.2), instance south of company umeme has no mpm_check. Nothing "
        "was called."
    )
    assert not dispatch.has_hook("south", "mpm_check")
    assert dispatch.has_hook("south", "mpm_generate_token")


def test_host_that_gives_other_arguments_is_told_which_are_right() -> None:
    dispatch = plugins(loaded(Counting))
    with pytest.raises(TypeError) as caught:
        dispatch.call("south", "mpm_generate_token", correlation_id="c", device=device())
    assert str(caught.value) == "mpm_generate_token takes exactly charge, device, order."
    with pytest.raises(LookupError, match="mpm_mint is not a hook of the contract"):
        dispatch.call("south", "mpm_mint", correlation_id="c")


def test_closed_company_begins_no_vendor_call() -> None:
    dispatch = plugins(loaded(Counting))
    dispatch.close()
    with pytest.raises(NotSent) as caught:
        generate(dispatch)
    assert str(caught.value) == (
        f"{WHOSE} mpm_generate_token was not called: the instance is closed. Nothing happened."
    )


def test_two_companies_with_one_plugin_share_nothing() -> None:
    ours = loaded(Counting)
    theirs = loaded(Counting, owner=company("zeco"))
    first, second = plugins(ours), plugins(theirs)
    generate(first)
    generate(first)
    answer = generate(second)
    assert isinstance(answer, Grant)
    assert answer.vendor_reference == "zeco/south"
    assert (ours.instance.calls, theirs.instance.calls) == (2, 1)


def test_sixteen_threads_each_get_their_own_answer() -> None:
    counted = loaded(Counting)
    dispatch = plugins(counted)

    def one(number: int) -> bool:
        answer = generate(dispatch, str(number))
        return isinstance(answer, Grant) and answer.codes == (Secret(str(number)),)

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(one, range(400)))
    assert counted.instance.calls == 400


def test_instance_is_never_called_more_often_at_once_than_its_manifest_says() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def busy(device: Device) -> Grant:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.005)
        with lock:
            running -= 1
        return GRANT

    dispatch = plugins(loaded(one_hook("mpm_generate_token", busy, concurrency=3)))
    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(lambda _: generate(dispatch), range(48))) == [GRANT] * 48
    assert most == 3


# --- asked and told -------------------------------------------------------------------------------

BLOCKED = Objection(code="acme_blocked", message="This meter is blocked; call us.")


def broken(payment: object) -> None:
    raise KeyError(payment)


def test_every_instance_is_asked_in_the_order_of_names_and_failures_are_kept() -> None:
    dispatch = plugins(
        loaded(one_hook("mpm_validate_payment", lambda payment: BLOCKED), name="north"),
        loaded(Counting, name="other"),
        loaded(one_hook("mpm_validate_payment", broken)),
        loaded(one_hook("mpm_validate_payment", lambda payment: None), name="east"),
    )
    asked = dispatch.ask_all(
        "mpm_validate_payment",
        correlation_id="c",
        payment=VALIDATION,
        device=device(),
        quote=QUOTE,
    )
    assert [(one.instance, one.answer, type(one.error).__name__) for one in asked] == [
        ("east", None, "NoneType"),
        ("north", BLOCKED, "NoneType"),
        ("south", None, "ContractViolation"),
    ]
    only = dispatch.ask_all(
        "mpm_validate_payment",
        correlation_id="c",
        only={"north", "west"},
        payment=VALIDATION,
        device=device(),
        quote=QUOTE,
    )
    assert only == (Asked(instance="north", answer=BLOCKED),)


async def told_later(payment: object) -> object:
    return payment


def test_everyone_is_told_although_some_fail() -> None:
    heard: list[object] = []

    def hear(payment: object) -> object:
        heard.append(payment)
        return "ignored"

    dispatch = plugins(
        loaded(one_hook("mpm_payment_settled", broken), name="a"),
        loaded(one_hook("mpm_payment_settled", told_later), name="b"),
        loaded(one_hook("mpm_payment_settled", hear), name="c"),
    )
    errors = dispatch.tell_all("mpm_payment_settled", correlation_id="c-1", payment=FACTS)
    assert [error.attribution.instance for error in errors] == ["a", "b"]
    assert heard == [FACTS]


def test_observer_that_fails_for_ever_does_not_close_the_way_to_the_vendor() -> None:
    class Both(Counting):
        @hookimpl
        def mpm_payment_settled(self, payment: object) -> None:
            raise NotSent("my web hook is down")

    dispatch = plugins(loaded(Both))
    for _ in range(9):
        assert len(dispatch.tell_all("mpm_payment_settled", correlation_id="c", payment=FACTS)) == 1
    assert isinstance(generate(dispatch), Grant)


# --- the circuit ----------------------------------------------------------------------------------


class Scripted:
    """Answers or raises what the test put into `next`."""

    manifest = manifest()
    next: object = GRANT
    calls = 0

    def __init__(self, settings: object, runtime: object) -> None:
        del settings, runtime

    @hookimpl
    def mpm_generate_token(self, device: Device) -> Grant:
        self.calls += 1
        if isinstance(self.next, BaseException):
            raise self.next
        return GRANT


def scripted(now: list[float]) -> tuple[Scripted, CompanyPlugins]:
    instance = loaded(Scripted)
    limits = DispatchLimits(grace=0.05, circuit=CircuitLimits(failures=2, refused_devices=3))
    dispatch = plugins(instance, monotonic=lambda: now[0], limits=limits)
    assert isinstance(instance.instance, Scripted)
    return instance.instance, dispatch


def outcome(dispatch: CompanyPlugins, serial: str = "47") -> str:
    try:
        generate(dispatch, serial)
    except MpmError as error:
        return str(error)
    return "granted"


@pytest.mark.parametrize(
    "failure",
    [pytest.param(NotSent("x"), id="not sent"), pytest.param(OutcomeUnknown("x"), id="unknown")],
)
def test_circuit_opens_after_failures_in_a_row_and_one_trial_closes_it(failure: MpmError) -> None:
    now = [0.0]
    plugin, dispatch = scripted(now)
    plugin.next = failure
    assert [outcome(dispatch), outcome(dispatch)] == ["x", "x"]
    assert outcome(dispatch) == (
        f"{WHOSE} mpm_generate_token was not called: circuit open until 09:00:30 UTC, because 2 "
        f"calls in a row failed. Nothing happened."
    )
    assert plugin.calls == 2
    now[0], plugin.next = 30.0, GRANT
    assert [outcome(dispatch), outcome(dispatch)] == ["granted", "granted"]


def test_interrupted_trial_leaves_room_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    plugin, dispatch = scripted(now)
    plugin.next = NotSent("x")
    outcome(dispatch)
    outcome(dispatch)
    now[0], plugin.next = 30.0, GRANT

    def interrupt(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(dispatch._vendors["south"]._pool, "run", interrupt)
        with pytest.raises(KeyboardInterrupt):
            outcome(dispatch)
    assert outcome(dispatch) == "granted"


def test_circuit_opens_after_several_devices_were_refused_in_a_row() -> None:
    plugin, dispatch = scripted([0.0])
    plugin.next = Refused("no such meter")
    assert [outcome(dispatch, serial) for serial in ("1", "1", "1", "2", "3")] == [
        "no such meter"
    ] * 5
    assert outcome(dispatch, "4") == (
        f"{WHOSE} mpm_generate_token was not called: circuit open until 09:00:30 UTC, because 3 "
        f"devices in a row were refused. Nothing happened."
    )


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(Throttled("x", timedelta(seconds=9)), id="throttled"),
        pytest.param(Misconfigured("x"), id="misconfigured"),
        pytest.param(KeyError("x"), id="the plugin's own mistake"),
    ],
)
def test_what_says_nothing_about_the_vendor_opens_no_circuit(failure: Exception) -> None:
    plugin, dispatch = scripted([0.0])
    plugin.next = failure
    for _ in range(9):
        outcome(dispatch)
    assert plugin.calls == 9


# --- loading --------------------------------------------------------------------------------------


def load_failure(plugin_class: type) -> str:
    with pytest.raises(PluginLoadError) as caught:
        plugins(loaded(plugin_class))
    return str(caught.value)


class BrokenConstructor:
    manifest = manifest()

    def __init__(self, settings: object, runtime: object) -> None:
        raise ValueError("hush")


class ExitingConstructor:
    manifest = manifest()

    def __init__(self, settings: object, runtime: object) -> None:
        raise SystemExit("hush")


class ParticularConstructor:
    manifest = manifest()

    def __init__(self, settings: object, runtime: object) -> None:
        raise SettingsError("setting 'api_url' must be https.")


class Wrapper(Counting):
    @hookimpl(wrapper=True)
    def mpm_check(self) -> object:
        return (yield)


class Misspelt(Counting):
    @hookimpl
    def mpm_chek(self) -> None: ...


class WrongArgument(Counting):
    @hookimpl
    def mpm_check(self, contxt: object) -> None: ...


class NoManifest:
    def __init__(self, settings: object, runtime: object) -> None: ...


@pytest.mark.parametrize(
    ("plugin_class", "start"),
    [
        pytest.param(
            BrokenConstructor, f"{WHOSE} its constructor raised ValueError (test_", id="broken"
        ),
        pytest.param(
            ExitingConstructor, f"{WHOSE} its constructor raised SystemExit (test_", id="exits"
        ),
        pytest.param(
            ParticularConstructor, f"{WHOSE} setting 'api_url' must be https.", id="user error"
        ),
        pytest.param(
            NoManifest,
            f"{WHOSE} its class has no manifest; write "
            f"`manifest: ClassVar[Manifest] = Manifest(…)`.",
            id="no manifest",
        ),
        pytest.param(
            Wrapper,
            "Plugin calin (mpm-calin 1.2): mpm_check is a wrapper; write `@hookimpl` without "
            "arguments.",
            id="wrapper",
        ),
        pytest.param(
            Misspelt,
            "Plugin calin (mpm-calin 1.2), instance south of company umeme does not fit the "
            "contract: unknown hook 'mpm_chek'",
            id="misspelt",
        ),
        pytest.param(
            WrongArgument,
            "Plugin calin (mpm-calin 1.2), instance south of company umeme does not fit the "
            "contract: Plugin 'south' for hook 'mpm_check'\n",
            id="wrong argument",
        ),
    ],
)
def test_plugin_that_cannot_be_loaded_is_named_with_the_reason(
    plugin_class: type, start: str
) -> None:
    message = load_failure(plugin_class)
    assert message.startswith(start)
    assert "hush" not in message


def test_loaded_instance_knows_its_plugin() -> None:
    runtime = PluginRuntime(company=company(), instance="south", http=http())
    instance = load_instance(
        Counting,
        NoSettings(),
        runtime,
        name="south",
        plugin_name="calin",
        distribution="mpm-calin",
        version="1.2",
    )
    assert (instance.name, str(instance.plugin)) == ("south", "calin (mpm-calin 1.2)")
    assert (instance.manifest, instance.company) == (Counting.manifest, company())


# --- every typed method reaches its hook ----------------------------------------------------------


class Everything:
    """Answers every routed hook with its name, which no type allows: the message tells it."""

    manifest = manifest()

    def __init__(self, settings: object, runtime: object) -> None:
        del settings, runtime


ROUTED = {
    "mpm_read_call": (CALL,),
    "mpm_write_reply": (CALL, None, VERDICT),
    "mpm_report_payment": (FACTS, VERDICT),
    "mpm_push_payment": (None,),
    "mpm_query_payment": (None,),
    "mpm_register_device": (device(),),
    "mpm_prepare_order": (device(), CHARGE, order()),
    "mpm_generate_token": (device(), CHARGE, order()),
    "mpm_find_token": (device(), CHARGE, order()),
    "mpm_clear_device": (device(), CHARGE, order()),
    "mpm_read_device": (device(),),
    "mpm_switch_device": (device(), order()),
    "mpm_send_message": (message(),),
    "mpm_check": (),
    "mpm_simulator": (),
}


@pytest.mark.parametrize("hook", ROUTED)
def test_typed_method_calls_the_hook_of_its_name(hook: str) -> None:
    called: list[str] = []

    def implementation(self: object) -> None:
        called.append(hook)
        raise Refused("heard")

    plugin_class = type("Everything", (Everything,), {hook: hookimpl(implementation)})
    dispatch = plugins(loaded(plugin_class))
    method = getattr(dispatch, hook.removeprefix("mpm_"))
    options = {"on": True} if hook == "mpm_switch_device" else {}
    with pytest.raises(MpmError):
        method("south", *ROUTED[hook], correlation_id="c", **options)
    assert called == [hook]


def test_switch_grant_is_checked_without_a_charge() -> None:
    dispatch = plugins(loaded(one_hook("mpm_switch_device", lambda on: GRANT if on else None)))
    assert dispatch.switch_device("south", device(), order(), on=True, correlation_id="c") == GRANT


def test_unlock_grant_has_no_quantity() -> None:
    unlock = attrs.evolve(CHARGE, kind="unlock", quantity=None, unit=None)
    assert isinstance(unlock, Charge)
    answer = attrs.evolve(GRANT, quantity=None, unit=None)
    dispatch = plugins(loaded(one_hook("mpm_generate_token", lambda device: answer)))
    assert dispatch.generate_token("south", device(), unlock, order(), correlation_id="c") == answer


def nothing_useful() -> object:
    return object()


def test_simulator_must_have_every_method() -> None:
    dispatch = plugins(loaded(one_hook("mpm_simulator", nothing_useful)))
    with pytest.raises(MpmError, match="the simulator has no method settings, handle, faults"):
        dispatch.simulator("south", correlation_id="c")


def test_pure_call_answers_what_the_plugin_answered() -> None:
    reply = Reply(content_type="text/plain", body=b"ok")
    dispatch = plugins(loaded(one_hook("mpm_write_reply", lambda verdict: reply)))
    assert dispatch.write_reply("south", CALL, None, VERDICT, correlation_id="c") is reply


@pytest.mark.parametrize(
    ("hook", "answer"),
    [
        pytest.param("mpm_read_call", VALIDATION, id="read_call"),
        pytest.param("mpm_report_payment", ReportReceipt(), id="report_payment"),
        pytest.param("mpm_push_payment", PushReceipt(), id="push_payment"),
        pytest.param("mpm_query_payment", ProviderState(state=PushState.PAID), id="query_payment"),
        pytest.param("mpm_register_device", DeviceMapping.MAPPED, id="register_device"),
        pytest.param("mpm_prepare_order", Prepared(inputs={"id": "1"}), id="prepare_order"),
        pytest.param("mpm_generate_token", Pending(after=timedelta(seconds=5)), id="pending"),
        pytest.param("mpm_find_token", NotFound(conclusive=True), id="find_token"),
        pytest.param("mpm_clear_device", GRANT, id="clear_device"),
        pytest.param("mpm_read_device", DeviceReading(at=NOW, facts={}), id="read_device"),
        pytest.param("mpm_send_message", MessageReceipt(), id="send_message"),
        pytest.param("mpm_check", Health(ok=True), id="check"),
    ],
)
def test_typed_method_returns_what_the_plugin_answered(hook: str, answer: object) -> None:
    def implementation(self: object) -> object:
        return answer

    dispatch = plugins(loaded(type("Everything", (Everything,), {hook: hookimpl(implementation)})))
    method = getattr(dispatch, hook.removeprefix("mpm_"))
    assert method("south", *ROUTED[hook], correlation_id="c") is answer


class CompleteSimulator:
    def __getattr__(self, name: str) -> object:
        return print


def test_simulator_is_handed_on() -> None:
    simulator = CompleteSimulator()
    dispatch = plugins(loaded(one_hook("mpm_simulator", lambda: simulator)))
    assert dispatch.simulator("south", correlation_id="c") is simulator


def test_second_caller_is_told_that_a_trial_is_under_way() -> None:
    now = [0.0]
    plugin, dispatch = scripted(now)
    plugin.next = NotSent("x")
    outcome(dispatch)
    outcome(dispatch)
    now[0] = 30.0
    dispatch._vendors["south"]._circuit.admit(30.0)
    assert outcome(dispatch) == (
        f"{WHOSE} mpm_generate_token was not called: circuit open until a trial call ends, because "
        f"2 calls in a row failed. Nothing happened."
    )
