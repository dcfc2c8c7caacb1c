"""Plugins that misbehave in every way, each contained within its own call and named."""

# ruff: noqa: ARG005 - a hook names the arguments it is given, used or not
from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import NoReturn

import attrs
import pytest

from mpm_core import (
    Attribution,
    ContractViolation,
    Decision,
    Delivery,
    Grant,
    Malformed,
    Misconfigured,
    Money,
    MpmError,
    NoticeEvent,
    NoticeRequest,
    NotSent,
    OutcomeUnknown,
    Pending,
    Prepared,
    ProcessRequest,
    Refused,
    Reply,
    Secret,
    SettingsError,
    Throttled,
    Unauthenticated,
    Unit,
    ValidationRequest,
    Verdict,
    hookimpl,
)
from mpm_core.company_plugins import CompanyPlugins, DispatchLimits
from mpm_core.company_plugins.answer_checks import check_of
from mpm_core.effects import current_record
from tests.core.plugin_builders import (
    CALL,
    CHARGE,
    GRANT,
    WHOSE,
    device,
    generate,
    http,
    loaded,
    manifest,
    one_hook,
    order,
    plugins,
)
from tests.core.raw_server import RawServer, answers, drops, serving

FIXED = "Nothing happened; the plugin's author must fix it."
UNSURE = "A request may have taken effect; the plugin's author must fix it."
VERDICT = Verdict(decision=Decision.ACCEPTED)


class VeryBaseError(BaseException):
    """Not even an Exception."""


class Unlookable:
    """Even asking for its class raises."""

    @property
    def __class__(self) -> type:
        raise ZeroDivisionError


def raising(error: BaseException) -> Callable[[object], object]:
    def body(device: object) -> NoReturn:
        del device
        raise error

    return body


def recurse(device: object) -> object:
    return recurse(device)


async def coroutine(device: object) -> object:
    return device


def failure_of(action: Callable[[], object]) -> MpmError:
    with pytest.raises(MpmError) as caught:
        action()
    return caught.value


def generating(body: Callable[..., object], **options: float) -> CompanyPlugins:
    return plugins(loaded(one_hook("mpm_generate_token", body, **options)))


def grant(**changes: object) -> Callable[[object], object]:
    changed = attrs.evolve(GRANT, **changes)
    return lambda device: changed


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param(raising(KeyError("hush")), "raised KeyError", id="raise"),
        pytest.param(raising(SystemExit(1)), "raised SystemExit", id="sys.exit"),
        pytest.param(raising(KeyboardInterrupt()), "raised KeyboardInterrupt", id="interrupt"),
        pytest.param(raising(GeneratorExit()), "raised GeneratorExit", id="generator exit"),
        pytest.param(raising(VeryBaseError()), "raised VeryBaseError", id="base exception"),
        pytest.param(recurse, "raised RecursionError", id="recurse"),
        pytest.param(
            raising(Unauthenticated("hush")), "raised Unauthenticated", id="inbound error"
        ),
        pytest.param(raising(SettingsError("hush")), "raised SettingsError", id="user error"),
        pytest.param(
            lambda device: None, "answered wrongly: it is NoneType, not Grant or Pending", id="None"
        ),
        pytest.param(
            lambda device: "1234",
            "answered wrongly: it is str, not Grant or Pending",
            id="wrong type",
        ),
        pytest.param(
            coroutine,
            "answered wrongly: it is a coroutine; write `def`, not `async def`",
            id="coroutine",
        ),
        pytest.param(
            lambda device: Unlookable(), "raised ZeroDivisionError", id="raises when looked at"
        ),
        pytest.param(
            lambda device: device.state.update(count="2"), "raised AttributeError", id="mutate"
        ),
        pytest.param(
            lambda device: setattr(device, "serial", "48"),
            "raised FrozenInstanceError",
            id="set an attribute",
        ),
        pytest.param(
            grant(codes=()),
            "answered wrongly: the grant is for the keypad but holds no code",
            id="no code",
        ),
        pytest.param(
            grant(codes=("1234",)),
            "answered wrongly: the grant's codes are not a tuple of Secret",
            id="bare code",
        ),
        pytest.param(
            grant(codes=(Secret("1"), Secret(""))),
            "answered wrongly: code 2 of the grant is not 1 to 64 printable characters",
            id="empty code",
        ),
        pytest.param(
            grant(codes=(Secret("1" * 65),)),
            "answered wrongly: code 1 of the grant is not 1 to 64 printable characters",
            id="long code",
        ),
        pytest.param(
            grant(codes=(Secret("12\n34"),)),
            "answered wrongly: code 1 of the grant is not 1 to 64 printable characters",
            id="line break in a code",
        ),
        pytest.param(
            grant(codes=(Secret("  "),)),
            "answered wrongly: code 1 of the grant begins or ends with a blank",
            id="blank code",
        ),
        pytest.param(
            grant(codes=(Secret("12 34"), Secret("1234 "))),
            "answered wrongly: code 2 of the grant begins or ends with a blank",
            id="blank after a code",
        ),
        pytest.param(
            grant(codes=(Secret("1"),) * 11),
            "answered wrongly: the grant holds 11 codes, more than 10",
            id="many codes",
        ),
        pytest.param(
            grant(quantity=None),
            "answered wrongly: the grant does not say how much energy was granted",
            id="no quantity",
        ),
        pytest.param(
            grant(quantity=0),
            "answered wrongly: the grant's quantity is 0, not above zero",
            id="no energy",
        ),
        pytest.param(
            grant(quantity=7.6),
            "answered wrongly: the grant's quantity is not a whole number",
            id="float",
        ),
        pytest.param(
            grant(unit=Unit.DAY),
            "answered wrongly: the grant is counted in day, the charge in Wh",
            id="wrong unit",
        ),
        pytest.param(
            grant(quantity=2**63),
            "answered wrongly: the grant's quantity is more than 9223372036854775807",
            id="more than databases count",
        ),
        pytest.param(
            grant(delivery=None),
            "answered wrongly: the grant's delivery is not a Delivery",
            id="no delivery",
        ),
        pytest.param(
            grant(vendor_reference=None),
            "answered wrongly: the grant's vendor_reference is not text",
            id="null for a reference",
        ),
        pytest.param(
            grant(vendor_reference=4711),
            "answered wrongly: the grant's vendor_reference is not text",
            id="number for a reference",
        ),
        pytest.param(
            lambda device: Pending(after=30),
            "answered wrongly: the answer's `after` is not a timedelta",
            id="seconds to wait",
        ),
        pytest.param(
            grant(device_serial="48"),
            "answered wrongly: the grant names another device than it was asked for",
            id="M14 another device",
        ),
    ],
)
def test_hostile_vendor_hook_is_a_violation_that_names_whose_it_is(
    body: Callable[..., object], problem: str
) -> None:
    error = failure_of(lambda: generate(generating(body)))

    assert type(error) is ContractViolation
    assert _without_place(str(error)) == f"{WHOSE} mpm_generate_token {problem}. {FIXED}"
    assert error.attribution == Attribution(
        plugin="calin",
        distribution="mpm-calin",
        version="1.2",
        hook="mpm_generate_token",
        company="umeme",
        instance="south",
        correlation_id="c-1",
    )
    assert error.__notes__ == [
        (
            "plugin calin (mpm-calin 1.2), hook mpm_generate_token, company umeme, instance south, "
            "correlation c-1"
        )
    ]
    assert error.__cause__ is None
    assert error.__context__ is None


def _without_place(message: str) -> str:
    head, found, rest = message.partition(" line ")
    if not found:
        return message
    return head[: head.rindex(" (")] + rest[rest.index(")") + 1 :]


def test_message_of_a_foreign_error_names_its_place_but_not_its_text() -> None:
    error = failure_of(
        lambda: generate(generating(raising(ValueError("key hush of 256712345678"))))
    )
    line = raising.__code__.co_firstlineno + 3
    assert str(error) == (
        f"{WHOSE} mpm_generate_token raised ValueError (test_company_plugins_hostile.py "
        f"line {line}). {FIXED}"
    )


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(Refused("meter blocked", "17"), id="refused"),
        pytest.param(NotSent("terminal offline"), id="not sent"),
        pytest.param(Throttled("later"), id="throttled"),
        pytest.param(Misconfigured("wrong key"), id="misconfigured"),
        pytest.param(OutcomeUnknown("no token in the answer"), id="unknown"),
        pytest.param(ContractViolation("my own mistake"), id="violation"),
    ],
)
def test_error_of_the_contract_passes_with_its_attribution(error: MpmError) -> None:
    caught = failure_of(lambda: generate(generating(raising(error))))
    assert caught is error
    assert caught.attribution is not None
    again = failure_of(lambda: generate(generating(raising(error))))
    assert len(again.__notes__) == 1


# --- after an effect may have left ----------------------------------------------------------------


def after_post(server: RawServer, then: Callable[[], object], **declared: str) -> CompanyPlugins:
    class Minting:
        manifest = manifest(**declared)

        def __init__(self, settings: object, runtime: object) -> None:
            del settings
            self.http = runtime.http

        @hookimpl
        def mpm_generate_token(self, context: object) -> object:
            self.http.request("POST", server.url, context=context)
            return then()

    return plugins(loaded(Minting, client=http(server.url)))


@pytest.mark.parametrize(
    ("then", "problem"),
    [
        pytest.param(lambda: 1 / 0, "raised ZeroDivisionError", id="raise"),
        pytest.param(
            lambda: None, "answered wrongly: it is NoneType, not Grant or Pending", id="None"
        ),
        pytest.param(lambda: raising(SystemExit())(None), "raised SystemExit", id="sys.exit"),
        pytest.param(
            lambda: raising(ContractViolation("x"))(None),
            "raised ContractViolation",
            id="own mistake",
        ),
        pytest.param(
            lambda: Grant(codes=()),
            "answered wrongly: the grant is for the keypad but holds no code",
            id="M9 no token",
        ),
    ],
)
def test_anything_unclassified_after_an_effect_left_is_unknown(
    then: Callable[[], object], problem: str
) -> None:
    with serving(answers()) as server:
        error = failure_of(lambda: generate(after_post(server, then)))
    assert type(error) is OutcomeUnknown
    assert _without_place(str(error)) == f"{WHOSE} mpm_generate_token {problem}. {UNSURE}"


def test_grant_that_cannot_be_used_is_kept_as_evidence() -> None:
    other = attrs.evolve(GRANT, device_serial="48")
    with serving(answers()) as server:
        error = failure_of(lambda: generate(after_post(server, lambda: other)))
    assert isinstance(error, OutcomeUnknown)
    assert error.evidence is other
    assert "1234" not in f"{error!r}{error.__notes__}"


NOT_TWENTY = (
    "answered wrongly: code 1 of the grant does not match [0-9]{20}, the plugin's token_pattern"
)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("1111222233334444555", id="M9 wrong length"),
        pytest.param("1111222233334444555x", id="M9 no digits"),
        pytest.param("111122223333444455556", id="a digit more"),
    ],
)
def test_a_code_that_is_no_token_of_the_manufacturer_is_kept_as_evidence(code: str) -> None:
    other = attrs.evolve(GRANT, codes=(Secret(code),))
    with serving(answers()) as server:
        calling = after_post(server, lambda: other, token_pattern="[0-9]{20}")
        error = failure_of(lambda: generate(calling))
    assert isinstance(error, OutcomeUnknown)
    assert str(error) == f"{WHOSE} mpm_generate_token {NOT_TWENTY}. {UNSURE}"
    assert error.evidence is other
    assert code not in f"{error!r}{error.__notes__}"


def test_a_code_as_the_manufacturer_makes_them_is_believed() -> None:
    good = attrs.evolve(GRANT, codes=(Secret("11112222333344445555"),))
    with serving(answers()) as server:
        assert generate(after_post(server, lambda: good, token_pattern="[0-9]{20}")) is good


@pytest.mark.parametrize("hook", ["mpm_find_token", "mpm_clear_device", "mpm_switch_device"])
def test_every_hook_that_grants_keeps_to_the_token_pattern(hook: str) -> None:
    check = check_of(hook, re.compile("[0-9]{20}"), "UGX")
    assert check(GRANT, {"device": device(), "charge": CHARGE}) == NOT_TWENTY.partition(": ")[2]


def test_lost_answer_of_a_mint_call_is_unknown() -> None:
    with serving(drops) as server:
        error = failure_of(lambda: generate(after_post(server, lambda: GRANT)))
        assert str(error) == (
            f"POST 127.0.0.1:{server.port}/: the answer ended early or is not HTTP; a request of "
            f"this call may have taken effect."
        )
    assert type(error) is OutcomeUnknown


# --- hanging --------------------------------------------------------------------------------------


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


def waiting(gate: threading.Event, answer: object = GRANT) -> Callable[[object], object]:
    def body(device: object) -> object:
        if getattr(device, "serial", "hang") == "hang":
            gate.wait(10)
            if isinstance(answer, BaseException):
                raise answer
        return answer

    return body


def wait_for(condition: Callable[[], object]) -> None:
    ends = time.monotonic() + 5
    while not condition() and time.monotonic() < ends:
        time.sleep(0.005)
    assert condition()


def test_hook_that_hangs_is_left_behind_and_its_late_answer_is_evidence(
    gate: threading.Event,
) -> None:
    late: list[object] = []
    dispatch = generating(waiting(gate), deadline=0.05)
    error = failure_of(lambda: generate(dispatch, "hang", late))
    assert (type(error), str(error)) == (
        OutcomeUnknown,
        f"{WHOSE} mpm_generate_token gave no answer within 0.05 s. It may still take effect.",
    )
    assert late == []
    gate.set()
    wait_for(lambda: late)
    assert late == [GRANT]


def test_late_failure_is_classified_and_told_too(gate: threading.Event) -> None:
    late: list[object] = []
    dispatch = generating(waiting(gate, KeyError("hush")), deadline=0.05)
    failure_of(lambda: generate(dispatch, "hang", late))
    gate.set()
    wait_for(lambda: late)
    assert isinstance(late[0], ContractViolation)
    assert late[0].attribution is not None


def test_hook_without_effect_that_hangs_was_not_sent(gate: threading.Event) -> None:
    plugin = one_hook("mpm_prepare_order", waiting(gate), deadline=0.05)
    dispatch = plugins(loaded(plugin))
    error = failure_of(
        lambda: dispatch.prepare_order(
            "south", device("hang"), CHARGE, order(), correlation_id="c-1"
        )
    )
    gate.set()
    assert (type(error), str(error)) == (
        NotSent,
        f"{WHOSE} mpm_prepare_order gave no answer within 0.05 s. Nothing happened.",
    )


def test_pool_full_of_hung_calls_refuses_at_once_and_works_again_when_one_comes_back(
    gate: threading.Event,
) -> None:
    dispatch = generating(waiting(gate), deadline=0.05, concurrency=2)
    for _ in range(2):
        failure_of(lambda: generate(dispatch, "hang"))
    error = failure_of(lambda: generate(dispatch))
    assert (type(error), str(error)) == (
        NotSent,
        (
            f"{WHOSE} mpm_generate_token was not called: all its 2 calls hang past their deadline; "
            f"circuit open until one comes back. Nothing happened."
        ),
    )
    gate.set()
    wait_for(lambda: not dispatch._vendors["south"]._pool._running)
    assert generate(dispatch) == GRANT


def test_call_that_finds_no_free_thread_in_time_was_not_sent(gate: threading.Event) -> None:
    dispatch = generating(waiting(gate), deadline=0.05, concurrency=2)
    failure_of(lambda: generate(dispatch, "hang"))
    pool = dispatch._vendors["south"]._pool
    busy = threading.Thread(
        target=lambda: pool.run(gate.wait, seconds=9, on_late=lambda late: None)
    )
    busy.start()
    wait_for(lambda: pool._running == 2)
    error = failure_of(lambda: generate(dispatch))
    gate.set()
    busy.join()
    assert (type(error), str(error)) == (
        NotSent,
        (
            f"{WHOSE} mpm_generate_token was not called: all its 2 calls are busy, and 1 of them "
            f"hang. Nothing happened."
        ),
    )


def test_waiting_for_a_free_thread_takes_nothing_from_the_deadline(gate: threading.Event) -> None:
    now, left = [0.0], []

    def measured(device: object) -> Grant:
        record = current_record()
        assert record is not None
        left.append(record.remaining())
        gate.wait(10)
        return GRANT

    plugin = loaded(one_hook("mpm_generate_token", measured, deadline=9, concurrency=1))
    dispatch = plugins(plugin, monotonic=lambda: now[0])
    callers = [threading.Thread(target=generate, args=(dispatch,)) for _ in range(2)]
    for caller in callers:
        caller.start()
    wait_for(lambda: left)
    now[0] = 4.0
    gate.set()
    for caller in callers:
        caller.join()
    assert left == [9.0, 9.0]


def test_one_hanging_instance_leaves_the_others_alone(gate: threading.Event) -> None:
    hanging = loaded(one_hook("mpm_generate_token", waiting(gate), deadline=0.05, concurrency=1))
    healthy = loaded(one_hook("mpm_generate_token", lambda: GRANT), name="north")
    dispatch = plugins(hanging, healthy)
    failure_of(lambda: generate(dispatch, "hang"))
    assert dispatch.generate_token("north", device(), CHARGE, order(), correlation_id="c") == GRANT
    gate.set()


# --- pure hooks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param(raising(KeyError("hush")), "raised KeyError", id="raise"),
        pytest.param(raising(SystemExit()), "raised SystemExit", id="sys.exit"),
        pytest.param(recurse, "raised RecursionError", id="recurse"),
        pytest.param(raising(Refused("hush")), "raised Refused", id="outbound error"),
        pytest.param(raising(Malformed("hush")), "raised Malformed", id="inbound error"),
        pytest.param(lambda call: None, "answered wrongly: it is NoneType, not Reply", id="None"),
        pytest.param(lambda call: call.headers.clear(), "raised AttributeError", id="mutate"),
        pytest.param(
            lambda call: Reply(content_type="x", body=b"x" * ((1 << 20) + 1)),
            "answered wrongly: the reply is larger than 1048576 bytes",
            id="huge",
        ),
        pytest.param(
            lambda call: Reply(content_type="x", body="text"),
            "answered wrongly: the reply's body is not bytes",
            id="text",
        ),
    ],
)
def test_hostile_pure_hook_is_a_violation(body: Callable[..., object], problem: str) -> None:
    def renamed(call: object) -> object:
        return body(call)

    dispatch = plugins(loaded(one_hook("mpm_write_reply", renamed)))
    error = failure_of(
        lambda: dispatch.write_reply("south", CALL, None, VERDICT, correlation_id="c-1")
    )
    assert type(error) is ContractViolation
    assert _without_place(str(error)) == f"{WHOSE} mpm_write_reply {problem}. {FIXED}"
    assert CALL.headers == {"x": "y"}


def test_interrupt_of_the_person_at_the_keyboard_goes_through_a_pure_hook() -> None:
    def interrupted(call: object) -> NoReturn:
        raise KeyboardInterrupt

    dispatch = plugins(loaded(one_hook("mpm_write_reply", interrupted)))
    with pytest.raises(KeyboardInterrupt):
        dispatch.write_reply("south", CALL, None, VERDICT, correlation_id="c-1")


def test_inbound_refusal_passes_from_the_reading_hook() -> None:
    refusal = Malformed("no amount", ("amount",))

    def read(call: object) -> NoReturn:
        raise refusal

    dispatch = plugins(loaded(one_hook("mpm_read_call", read)))
    assert failure_of(lambda: dispatch.read_call("south", CALL, correlation_id="c-1")) is refusal


@pytest.mark.parametrize(
    ("request_read", "problem"),
    [
        pytest.param(
            ValidationRequest(serial="47", amount=Money(1000, "USD")),
            "the request's amount is in USD, the company's in UGX",
            id="validation in another currency",
        ),
        pytest.param(
            ProcessRequest(reference="R1", amount=Money(1000, "USD")),
            "the request's amount is in USD, the company's in UGX",
            id="payment in another currency",
        ),
        pytest.param(
            ProcessRequest(reference="R1", amount=1000),
            "the request's amount is not Money",
            id="bare amount",
        ),
        pytest.param(
            ValidationRequest(serial="47", amount=None),
            "the request's amount is not Money",
            id="validation of nothing",
        ),
    ],
)
def test_what_a_telecom_asks_is_in_the_companys_money(request_read: object, problem: str) -> None:
    dispatch = plugins(loaded(one_hook("mpm_read_call", lambda call: request_read)))
    error = failure_of(lambda: dispatch.read_call("south", CALL, correlation_id="c-1"))
    assert str(error) == f"{WHOSE} mpm_read_call answered wrongly: {problem}. {FIXED}"


def test_what_a_notice_says_of_money_is_for_the_host_to_compare() -> None:
    notice = NoticeRequest(event=NoticeEvent.PAID, reference="R1", amount=Money(1000, "USD"))
    dispatch = plugins(loaded(one_hook("mpm_read_call", lambda call: notice)))
    assert dispatch.read_call("south", CALL, correlation_id="c-1") == notice


def test_pure_hook_that_takes_long_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    ticks = iter([0.0, 0.2])
    plugin = one_hook("mpm_write_reply", lambda call: Reply(content_type="x", body=b""))
    dispatch = plugins(loaded(plugin), monotonic=lambda: next(ticks))
    dispatch.write_reply("south", CALL, None, VERDICT, correlation_id="c-1")
    assert caplog.messages == [
        (
            "slow_pure_hook seconds=0.200 plugin calin (mpm-calin 1.2), hook mpm_write_reply, "
            "company umeme, instance south, correlation c-1"
        )
    ]


def test_failed_call_is_one_log_line_without_its_arguments_or_texts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = failure_of(lambda: generate(generating(raising(NotSent("hush")), deadline=9)))
    assert error.attribution is not None
    assert len(caplog.records) == 1
    record = caplog.records[0]
    assert (record.name, record.levelname) == ("mpm_core.company_plugins", "WARNING")
    head, _, rest = record.getMessage().partition(" seconds=")
    assert head == "hook_failed outcome=NotSent"
    assert rest.partition(" ")[2] == (
        "plugin=calin distribution=mpm-calin version=1.2 hook=mpm_generate_token company=umeme "
        "instance=south correlation=c-1"
    )


@pytest.mark.parametrize(
    ("prepared", "problem"),
    [
        pytest.param(
            Prepared(inputs={"a": 1}), "`inputs` holds something else than texts", id="number"
        ),
        pytest.param(Prepared(inputs=[]), "`inputs` is not a mapping", id="list"),
        pytest.param(
            Prepared(state={"a": "x" * 20_000}),
            "`state` is larger than 16384 characters",
            id="huge",
        ),
    ],
)
def test_prepared_values_must_be_small_texts(prepared: Prepared, problem: str) -> None:
    dispatch = plugins(loaded(one_hook("mpm_prepare_order", lambda device: prepared)))
    error = failure_of(
        lambda: dispatch.prepare_order("south", device(), CHARGE, order(), correlation_id="c")
    )
    assert str(error) == f"{WHOSE} mpm_prepare_order answered wrongly: {problem}. {FIXED}"


def test_remote_grant_needs_no_code() -> None:
    remote = attrs.evolve(GRANT, codes=(), delivery=Delivery.REMOTE)
    assert generate(generating(lambda device: remote)) == remote


def test_arguments_of_the_host_stay_its_own() -> None:
    seen: list[Mapping[str, str]] = []

    def keep(device: object, order: object) -> Grant:
        seen.extend((device.state, order.prepared))
        return GRANT

    generate(generating(keep))
    for mapping in seen:
        with pytest.raises(TypeError):
            mapping["x"] = "y"


def test_limits_default_to_half_a_second_of_grace() -> None:
    assert DispatchLimits().grace == 0.5
