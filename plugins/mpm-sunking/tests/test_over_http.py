"""Each answer of SunKing, over loopback HTTP: what the plugin makes of it, what was minted."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from mpm_core import (
    Charge,
    ChargeKind,
    ContractViolation,
    Device,
    DeviceKind,
    DeviceMapping,
    Grant,
    Health,
    Misconfigured,
    Money,
    NotSent,
    OutcomeUnknown,
    Refused,
    SimulatedReply,
    Throttled,
    Unit,
)
from mpm_core.effects import EffectRecord, enter_record, leave_record
from mpm_core.simulation.server import serve
from mpm_sunking.simulator import CLIENT_SECRET, LOGIN, SunKingSimulator

SERIAL = "996995411"
DEVICE = Device(kind=DeviceKind.SHS, serial=SERIAL)
STRANGER = Device(kind=DeviceKind.SHS, serial="111111111")
PRICE = Money(100_000, "TZS")
SEVEN_DAYS = Charge(kind=ChargeKind.TIME, money=PRICE, quantity=7, unit=Unit.DAY)
UNLOCK = Charge(kind=ChargeKind.UNLOCK, money=PRICE)
LOGIN_IS_BUSY = "Another call's login at SunKing did not end in time; nothing was asked."
NO_TOKEN = "SunKing reported success without a usable token; it may have minted one."


class Canned(SunKingSimulator):
    """Logs in as ever, and gives one answer behind it, whatever it is asked."""

    def __init__(self, reply: SimulatedReply) -> None:
        super().__init__()
        self.reply = reply
        self.asked = []

    def handle(self, request):
        self.asked.append(request)
        return super().handle(request) if request.path == LOGIN else self.reply


def failure_of(work, *arguments) -> Exception:
    with pytest.raises(Exception) as failed:  # noqa: PT011 - the callers assert class and message
        work(*arguments)
    return failed.value


@contextmanager
def one_hook_call(seconds: float = 10.0) -> Iterator[EffectRecord]:
    """Count requests as one call of the dispatch: what may have left is known afterwards."""
    record = EffectRecord.starting_now(seconds, time.monotonic)
    token = enter_record(record)
    try:
        yield record
    finally:
        leave_record(token)


@pytest.fixture
def mint(plugin, clock):
    return lambda charge=SEVEN_DAYS, device=DEVICE, deadline=10.0: plugin.mpm_generate_token(
        device, charge, clock.context(deadline)
    )


def answered(make_plugin, clock, reply: SimulatedReply) -> Exception:
    """Return what minting raises when SunKing gives this answer."""
    canned = Canned(reply)
    with serve({"sunking": canned}) as other:
        plugin = make_plugin(**canned.settings(other.base_url("sunking")))
        return failure_of(plugin.mpm_generate_token, DEVICE, SEVEN_DAYS, clock.context())


def test_days_become_a_code_the_device_accepts(mint, simulator):
    grant = mint()
    (code,) = grant.codes
    assert grant == Grant(codes=(code,), quantity=7, unit=Unit.DAY)
    assert simulator.use_token(SERIAL, code.reveal()) == "accepted 7 days"
    assert simulator.keypad(SERIAL).days == 7


def test_an_unlock_becomes_a_code_the_device_accepts(mint, simulator):
    grant = mint(UNLOCK)
    (code,) = grant.codes
    assert grant == Grant(codes=(code,))
    assert simulator.use_token(SERIAL, code.reveal()) == "accepted unlock"
    assert simulator.keypad(SERIAL).unlocked


def test_the_requests_are_what_sunking_takes(make_plugin, clock):
    canned = Canned(SimulatedReply(body=b'{"token":"592310784"}'))
    with serve({"sunking": canned}) as other:
        settings = dict(canned.settings(other.base_url("sunking")))
        settings["api_url"] += "/"
        make_plugin(**settings).mpm_generate_token(DEVICE, SEVEN_DAYS, clock.context())
    login, charge = canned.asked
    assert login.headers["content-type"] == "application/x-www-form-urlencoded"
    assert login.body.decode() == (
        "grant_type=client_credentials&client_id=simulated-client"
        "&client_secret=simulated-sunking-secret&scope=roles"
    )
    assert (charge.method, charge.path) == ("POST", "v2/token")
    assert charge.headers["authorization"] == "Bearer simulated-access-1"
    assert charge.headers["accept"] == "application/json"
    assert json.loads(charge.body) == {
        "device": SERIAL,
        "command": "add_credit",
        "payload": 7,
        "time_unit": "day",
    }


def test_a_code_with_separators_is_handed_on_as_it_came(mint, simulator):
    simulator.set_fault("separated_token")
    code = mint().codes[0].reveal()
    minted = simulator.tokens[0].code
    assert code == f"*{minted[:4]} {minted[4:8]} {minted[8:]}#"


# --- the login ------------------------------------------------------------------------------------


def test_a_login_is_used_until_shortly_before_it_ends(mint, simulator, clock):
    mint()
    clock.advance(269)
    mint()
    assert simulator.logins == 1
    clock.advance(1)
    mint()
    assert simulator.logins == 2


def test_parallel_charges_log_in_once(plugin, simulator, clock):
    grants: list[Grant] = []
    threads = [
        threading.Thread(
            target=lambda: grants.append(
                plugin.mpm_generate_token(DEVICE, SEVEN_DAYS, clock.context())
            )
        )
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({grant.codes for grant in grants}) == len(simulator.tokens) == 12
    assert simulator.logins == 1


def test_a_stale_login_is_renewed_once_and_nothing_is_minted_twice(mint, simulator):
    mint()
    simulator.set_fault("expired_token", times=1)
    assert mint().quantity == 7
    assert (simulator.logins, len(simulator.tokens)) == (2, 2)


def test_a_fresh_login_that_is_refused_too_waits_for_other_settings(mint, simulator, server):
    simulator.set_fault("expired_token")
    failure = failure_of(mint)
    assert (type(failure), str(failure)) == (
        Misconfigured,
        (
            f"{server.url}/sunking/v2 refused a fresh login (status 401); "
            "check that auth_url and api_url belong together, then ask SunKing."
        ),
    )
    assert (simulator.logins, simulator.tokens) == (2, [])


def test_an_answer_lost_after_a_renewed_login_is_unknown(mint, simulator):
    mint()
    simulator.set_fault("expired_token", times=1)
    simulator.set_fault("lose_answer", times=1)
    assert type(failure_of(mint)) is OutcomeUnknown
    assert len(simulator.tokens) == 2


@pytest.mark.parametrize(
    ("settings", "fault", "status"),
    [
        pytest.param({"client_secret": "wrong"}, None, 401, id="wrong secret"),
        pytest.param({"client_id": "wrong"}, None, 401, id="wrong client"),
        pytest.param({}, "auth_400", 400, id="older Keycloak"),
    ],
)
def test_refused_credentials_wait_for_other_settings(
    make_plugin, simulator, clock, settings, fault, status
):
    if fault:
        simulator.set_fault(fault)
    plugin = make_plugin(**settings)
    failure = failure_of(plugin.mpm_generate_token, DEVICE, SEVEN_DAYS, clock.context())
    assert (type(failure), str(failure)) == (
        Misconfigured,
        (
            f"SunKing's login answered status {status}; correct auth_url, client_id, "
            "client_secret or scope."
        ),
    )


def test_a_wrong_auth_url_waits_for_other_settings(make_plugin, server, clock):
    plugin = make_plugin(auth_url=f"{server.url}/sunking/elsewhere")
    failure = failure_of(plugin.mpm_generate_token, DEVICE, SEVEN_DAYS, clock.context())
    assert type(failure) is Misconfigured


@pytest.mark.parametrize("fault", ["auth_down", "auth_error_500", "auth_without_token"])
def test_a_login_that_fails_means_not_sent(mint, simulator, fault):
    simulator.set_fault(fault, times=1)
    assert type(failure_of(mint)) is NotSent
    assert mint().quantity == 7
    assert len(simulator.tokens) == 1


@pytest.mark.parametrize(
    ("answer", "logins"),
    [
        pytest.param({"expires_in": 300}, 1, id="five minutes"),
        pytest.param({"expires_in": 1e3}, 1, id="a fraction"),
        pytest.param({"expires_in": 10**30}, 1, id="absurdly long"),
        pytest.param({}, 2, id="not said"),
        pytest.param({"expires_in": "300"}, 2, id="text"),
        pytest.param({"expires_in": True}, 2, id="true"),
        pytest.param({"expires_in": 30}, 2, id="within the margin"),
        pytest.param({"expires_in": -5}, 2, id="negative"),
    ],
)
def test_a_login_is_kept_only_as_long_as_it_says(make_plugin, clock, answer, logins):
    class Login(Canned):
        def handle(self, request):
            self.asked.append(request.path)
            body = {"access_token": "a", **answer} if request.path == LOGIN else {"token": "1"}
            return SimulatedReply(body=json.dumps(body).encode())

    login = Login(SimulatedReply())
    with serve({"sunking": login}) as other:
        plugin = make_plugin(**login.settings(other.base_url("sunking")))
        for _ in range(2):
            plugin.mpm_generate_token(DEVICE, SEVEN_DAYS, clock.context())
    assert login.asked.count(LOGIN) == logins


def test_a_call_does_not_wait_for_a_hung_login_of_another(plugin, clock):
    access = plugin._client._access
    with access._lock:
        failure = failure_of(
            plugin.mpm_generate_token, DEVICE, SEVEN_DAYS, clock.context(deadline=0.05)
        )
    assert (type(failure), str(failure)) == (NotSent, LOGIN_IS_BUSY)


def failure_within(seconds, work, *arguments) -> list[Exception]:
    """Return what fails in time, in a thread of its own; nothing if it is still waiting."""
    failures: list[Exception] = []
    thread = threading.Thread(
        target=lambda: failures.append(failure_of(work, *arguments)), daemon=True
    )
    thread.start()
    thread.join(seconds)
    return failures


@pytest.mark.parametrize("left", [0.05, -1.0], ids=["a moment", "nothing"])
def test_a_call_waits_for_a_login_only_while_it_has_time_left(plugin, clock, left):
    def mint() -> None:
        with one_hook_call(left):
            plugin.mpm_generate_token(DEVICE, SEVEN_DAYS, clock.context(deadline=600.0))

    with plugin._client._access._lock:
        failures = failure_within(5.0, mint)
    assert [(type(failure), str(failure)) for failure in failures] == [(NotSent, LOGIN_IS_BUSY)]


def test_a_call_does_not_wait_for_a_hung_login_when_its_own_is_stale(make_plugin, clock):
    class Stale(Canned):
        def handle(self, request):
            if request.path != LOGIN:
                plugin._client._access._lock.acquire()  # as another call's login that hangs
            return super().handle(request)

    stale = Stale(SimulatedReply(status=401, body=b"{}"))
    with serve({"sunking": stale}) as other:
        plugin = make_plugin(**stale.settings(other.base_url("sunking")))
        context = clock.context(deadline=2.0)
        failures = failure_within(10.0, plugin.mpm_generate_token, DEVICE, SEVEN_DAYS, context)
    assert [(type(failure), str(failure)) for failure in failures] == [(NotSent, LOGIN_IS_BUSY)]


def test_a_login_lost_after_a_stale_one_means_not_sent(plugin, simulator, clock):
    plugin.mpm_generate_token(DEVICE, SEVEN_DAYS, clock.context())
    simulator.set_fault("expired_token", times=1)
    simulator.set_fault("auth_down", times=1)
    with one_hook_call() as record:
        failure = failure_of(plugin.mpm_generate_token, DEVICE, SEVEN_DAYS, clock.context())
    assert (type(failure), record.may_have_left) == (NotSent, False)
    assert len(simulator.tokens) == 1


# --- the answers to a charge ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind", "message", "minted"),
    [
        pytest.param("unknown_device", Refused, "Device not found", 0, id="unknown device"),
        pytest.param(
            "bad_payload", Refused, "payload must be a positive integer", 0, id="bad payload"
        ),
        pytest.param("missing_token", OutcomeUnknown, NO_TOKEN, 1, id="M9 no token"),
        pytest.param("empty_token", OutcomeUnknown, NO_TOKEN, 1, id="M9 empty token"),
        pytest.param("number_token", OutcomeUnknown, NO_TOKEN, 1, id="M9 number"),
        pytest.param("long_token", OutcomeUnknown, NO_TOKEN, 1, id="M9 too long"),
    ],
)
def test_documented_answers_are_sorted(mint, simulator, fault, kind, message, minted):
    simulator.set_fault(fault)
    failure = failure_of(mint)
    assert (type(failure), str(failure)) == (kind, message)
    assert len(simulator.tokens) == minted


@pytest.mark.parametrize(
    ("fault", "minted"),
    [
        pytest.param("down", 0, id="M1 closed after the request"),
        pytest.param("lose_answer", 1, id="M2 answer lost"),
        pytest.param("timeout_after_mint", 1, id="M2 timeout"),
        pytest.param("error_500", 1, id="M4 500 after minting"),
        pytest.param("error_500_before", 0, id="M4 500 before minting"),
        pytest.param("bad_gateway", 1, id="M4 502"),
        pytest.param("malformed_json", 1, id="M6 malformed"),
        pytest.param("truncated", 1, id="M6 truncated"),
        pytest.param("html", 1, id="M7 login page"),
        pytest.param("slow_loris", 1, id="M10 slow loris"),
        pytest.param("huge", 1, id="M11 huge body"),
        pytest.param("redirect", 1, id="M12 redirect"),
    ],
)
def test_a_spoiled_answer_leaves_the_outcome_unknown(mint, simulator, fault, minted):
    simulator.set_fault(fault)
    deadline = 0.7 if fault in {"timeout_after_mint", "slow_loris"} else 10.0
    failure = failure_of(mint, SEVEN_DAYS, DEVICE, deadline)
    assert type(failure) is OutcomeUnknown
    assert len(simulator.tokens) == minted
    secrets = [CLIENT_SECRET, "simulated-access", *(token.code for token in simulator.tokens)]
    assert not any(secret in str(failure) for secret in secrets)


@pytest.mark.parametrize("fault", ["throttled", "unavailable"])
def test_not_now_is_throttled_for_as_long_as_sunking_asks(mint, simulator, fault):
    simulator.set_fault(fault, times=1)
    failure = failure_of(mint)
    assert (type(failure), failure.after) == (Throttled, timedelta(seconds=7))
    assert mint().quantity == 7
    assert len(simulator.tokens) == 1


def test_nobody_listening_means_not_sent(make_plugin, clock):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    plugin = make_plugin(api_url=f"http://127.0.0.1:{port}/v2")
    assert type(failure_of(plugin.mpm_generate_token, DEVICE, SEVEN_DAYS, clock.context())) is (
        NotSent
    )


def test_a_wrong_path_waits_for_other_settings(mint, simulator):
    simulator.set_fault("wrong_path")
    failure = failure_of(mint)
    assert type(failure) is Misconfigured
    assert str(failure).endswith(
        "/sunking/v2/token answered status 404 and not 'Device not found'; correct api_url."
    )


@pytest.mark.parametrize("status", [403, 405])
def test_a_closed_door_waits_for_other_settings(make_plugin, clock, status):
    failure = answered(make_plugin, clock, SimulatedReply(status=status, body=b"{}"))
    assert type(failure) is Misconfigured
    assert str(failure).endswith(
        f"/sunking/v2 answered status {status}; correct api_url, or ask SunKing to allow this "
        "client."
    )


@pytest.mark.parametrize(("status", "code"), [(400, "400"), (422, "422")])
def test_a_refusal_carries_sunkings_words_and_status(make_plugin, clock, status, code):
    reply = SimulatedReply(status=status, body=b'{"message":"no such unit"}')
    failure = answered(make_plugin, clock, reply)
    assert (type(failure), failure.code, str(failure)) == (Refused, code, "no such unit")


def test_a_refusal_repeats_no_secret_of_ours(make_plugin, clock):
    words = f"no client {CLIENT_SECRET} with simulated-access-1 " + "x" * 200
    reply = SimulatedReply(status=400, body=json.dumps({"message": words}).encode())
    failure = answered(make_plugin, clock, reply)
    assert (type(failure), str(failure)) == (
        Refused,
        ("no client •••••• with •••••• " + "x" * 200)[:200],
    )


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(400, b"<html>Bad Request</html>", id="400 page"),
        pytest.param(400, b"{}", id="400 without words"),
        pytest.param(422, b'{"message":"no","token":"1"}', id="422 with a token"),
        pytest.param(409, b'{"message":"conflict"}', id="409"),
    ],
)
def test_an_undocumented_4xx_is_unknown(make_plugin, clock, status, body):
    failure = answered(make_plugin, clock, SimulatedReply(status=status, body=body))
    assert (type(failure), str(failure)) == (
        OutcomeUnknown,
        (f"SunKing answered status {status} in no documented form; it may have minted a token."),
    )


def test_less_than_a_day_is_never_sent(mint, simulator):
    charge = Charge(kind=ChargeKind.TIME, money=PRICE, quantity=0, unit=Unit.DAY)
    with pytest.raises(ContractViolation, match=r"^SunKing sells one day or more, not 0;"):
        mint(charge)
    assert (simulator.logins, simulator.tokens) == (0, [])


# --- looking a device up --------------------------------------------------------------------------


def test_a_known_device_is_mapped_and_a_stranger_is_not(plugin, clock):
    """T-95."""
    assert plugin.mpm_register_device(DEVICE, clock.context()) is DeviceMapping.MAPPED
    assert plugin.mpm_register_device(STRANGER, clock.context()) is DeviceMapping.NOT_MAPPED


def test_details_without_their_envelope_are_taken_too(make_plugin, clock):
    canned = Canned(SimulatedReply(body=b'{"code":"312","is_paygo":true}'))
    with serve({"sunking": canned}) as other:
        plugin = make_plugin(**canned.settings(other.base_url("sunking")))
        assert plugin.mpm_register_device(DEVICE, clock.context()) is DeviceMapping.MAPPED
    assert (canned.asked[1].method, canned.asked[1].path) == ("GET", f"v2/device_details/{SERIAL}")


@pytest.mark.parametrize(
    "fault",
    ["down", "error_500", "bad_gateway", "html", "truncated", "redirect", "huge", "wrong_path"],
)
def test_a_look_up_without_an_answer_is_tried_again_later(plugin, simulator, clock, fault):
    """T-95."""
    simulator.set_fault(fault)
    failure = failure_of(plugin.mpm_register_device, DEVICE, clock.context())
    assert type(failure) is NotSent


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"device":{}}', b'{"device":null}'])
def test_a_look_up_that_describes_nothing_is_tried_again_later(make_plugin, clock, body):
    canned = Canned(SimulatedReply(body=body))
    with serve({"sunking": canned}) as other:
        plugin = make_plugin(**canned.settings(other.base_url("sunking")))
        failure = failure_of(plugin.mpm_register_device, DEVICE, clock.context())
    assert type(failure) is NotSent


def test_a_look_up_renews_a_stale_login_once(plugin, simulator, clock):
    simulator.set_fault("expired_token", times=1)
    assert plugin.mpm_register_device(DEVICE, clock.context()) is DeviceMapping.MAPPED
    assert simulator.logins == 2


@pytest.mark.parametrize("fault", ["expired_token", "forbidden"])
def test_a_look_up_that_is_not_allowed_waits_for_other_settings(plugin, simulator, clock, fault):
    simulator.set_fault(fault)
    failure = failure_of(plugin.mpm_register_device, DEVICE, clock.context())
    assert type(failure) is Misconfigured


# --- health and secrets ---------------------------------------------------------------------------


def test_check_logs_in_afresh_each_time(plugin, simulator, clock):
    healthy = Health(ok=True, detail="SunKing's login accepts the client id and secret.")
    assert [plugin.mpm_check(clock.context()) for _ in range(2)] == [healthy, healthy]
    assert simulator.logins == 2


def test_check_says_what_to_correct(make_plugin, clock):
    assert make_plugin(client_secret="wrong").mpm_check(clock.context()) == Health(
        ok=False,
        detail=(
            "SunKing's login answered status 401; correct auth_url, client_id, client_secret "
            "or scope."
        ),
    )


def test_the_plugin_brings_its_simulator(plugin):
    assert isinstance(plugin.mpm_simulator(), SunKingSimulator)


def test_an_instance_shows_neither_secret_nor_access(plugin, mint):
    mint()
    shown = repr(vars(plugin._client._access))
    assert CLIENT_SECRET not in shown
    assert "simulated-access" not in shown
