"""Each answer of Daly, over loopback HTTP: what the plugin makes of it, what was switched."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from datetime import timedelta

import pytest

from mpm_core import (
    Delivery,
    Device,
    DeviceKind,
    DeviceMapping,
    DeviceReading,
    Grant,
    Health,
    Misconfigured,
    NotSent,
    OutcomeUnknown,
    Refused,
    SimulatedReply,
    Throttled,
)
from mpm_core.effects import EffectRecord, enter_record, leave_record
from mpm_core.simulation.server import serve
from mpm_daly.simulator import LOGIN, PASSWORD, Bike, DalySimulator, Switch

SERIAL = "DL8500000123"
BIKE = Device(kind=DeviceKind.E_BIKE, serial=SERIAL)
STRANGER = Device(kind=DeviceKind.E_BIKE, serial="DL8500000999")
LOGIN_IS_BUSY = "Another call's login at Daly did not end in time; nothing was asked."
LOGIN_REFUSED = "Daly's login answered status {}; correct api_url, username or password."


class Canned(DalySimulator):
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


@pytest.fixture
def switch(plugin, clock):
    return lambda on=True, device=BIKE, deadline=10.0: plugin.mpm_switch_device(
        device, on, clock.context(deadline)
    )


def answered(make_plugin, clock, reply: SimulatedReply) -> Exception:
    """Return what switching raises when Daly gives this answer."""
    canned = Canned(reply)
    with serve({"daly": canned}) as other:
        plugin = make_plugin(**canned.settings(other.base_url("daly")))
        return failure_of(plugin.mpm_switch_device, BIKE, True, clock.context())


# --- switching ------------------------------------------------------------------------------------


def test_a_bike_is_switched_on_and_off_without_any_code(switch, simulator):
    assert switch() == Grant(delivery=Delivery.REMOTE)
    assert simulator.bike(SERIAL) == Bike(on=True, changes=1)
    assert switch(on=False) == Grant(delivery=Delivery.REMOTE)
    assert simulator.bike(SERIAL) == Bike(on=False, changes=2)


def test_repeating_a_switch_changes_nothing(switch, simulator):
    assert [switch() for _ in range(3)] == [Grant(delivery=Delivery.REMOTE)] * 3
    assert simulator.switches == [Switch(serial=SERIAL, on=True)] * 3
    assert simulator.grants(SERIAL) == 1


def test_the_requests_are_what_daly_takes(make_plugin, clock):
    done = {"status": 200, "success": True, "msg": "ok", "response": {"Data": {}}}
    canned = Canned(SimulatedReply(body=json.dumps(done).encode()))
    with serve({"daly": canned}) as other:
        settings = dict(canned.settings(other.base_url("daly")))
        settings["api_url"] += "/"
        make_plugin(**settings).mpm_switch_device(BIKE, False, clock.context())
    login, command = canned.asked
    assert (login.method, login.path, login.body) == ("POST", "api/Login/Authenticate", b"")
    assert login.query == "Username=simulated-user&Password=simulated-daly-password"
    assert (command.method, command.path) == ("POST", "api/Monitor/Send")
    assert command.headers["authorization"] == "Bearer simulated-access-1"
    assert command.headers["accept"] == "application/json"
    assert json.loads(command.body) == {
        "cmdKey": "8500_004",
        "data": {"CmdKey": "8500_004", "Code": SERIAL, "ACC": 0},
    }


def test_a_bike_that_was_created_is_switched_too(switch, simulator):
    simulator.set_fault("created")
    assert switch() == Grant(delivery=Delivery.REMOTE)


@pytest.mark.parametrize(
    ("fault", "kind", "code", "message"),
    [
        pytest.param(
            "offline",
            NotSent,
            None,
            "Daly: terminal offline. The bike is out of reach; later.",
            id="out of reach",
        ),
        pytest.param(
            "no_permission", Refused, "200", "no permission for this terminal", id="no permission"
        ),
        pytest.param("bad_request", Refused, "400", "parameter error", id="bad request"),
        pytest.param(
            "platform_error",
            OutcomeUnknown,
            None,
            "Daly answered 500 system busy; the bike may have been switched.",
            id="platform error",
        ),
    ],
)
def test_a_switch_that_was_not_done_is_sorted(switch, simulator, fault, kind, code, message):
    simulator.set_fault(fault)
    failure = failure_of(switch)
    assert (type(failure), str(failure)) == (kind, message)
    assert getattr(failure, "code", None) == code
    assert simulator.switches == []


def said(status, words, **more):
    body = {"status": status, "msg": words, "response": False, **more}
    return SimulatedReply(body=json.dumps(body).encode())


@pytest.mark.parametrize("status", [200, 201, 400, 403, 404, 422])
def test_a_no_under_a_status_that_means_one_is_refused(make_plugin, clock, status):
    failure = answered(make_plugin, clock, said(status, "parameter error"))
    assert (type(failure), failure.code, str(failure)) == (Refused, str(status), "parameter error")


@pytest.mark.parametrize(
    ("status", "words", "more"),
    [
        pytest.param(200, "terminal response Timeout", {}, id="bike answered too late"),
        pytest.param(400, "terminal timed out", {}, id="bad request, too late"),
        pytest.param(200, "terminal offline, command queued", {}, id="kept for later"),
        pytest.param(500, "gateway offline, command queued", {}, id="platform error"),
        pytest.param(202, "queued", {"success": True, "response": {"Data": {}}}, id="accepted"),
        pytest.param(302, "moved", {}, id="moved"),
        pytest.param(408, "request timeout", {"response": None}, id="request timeout"),
        pytest.param(409, "terminal offline", {}, id="conflict"),
        pytest.param(0, "failed", {}, id="no status of HTTP"),
    ],
)
def test_words_and_statuses_that_leave_it_open_are_unknown(make_plugin, clock, status, words, more):
    failure = answered(make_plugin, clock, said(status, words, **more))
    assert (type(failure), str(failure)) == (
        OutcomeUnknown,
        f"Daly answered {status} {words}; the bike may have been switched.",
    )


@pytest.mark.parametrize(
    ("status", "kind", "shown"),
    [
        pytest.param(400, Refused, "{}", id="refused"),
        pytest.param(
            500, OutcomeUnknown, "Daly answered 500 {}; the bike may have been switched.",
            id="unknown",
        ),
    ],
)  # fmt: skip
def test_a_no_repeats_no_secret_of_ours(make_plugin, clock, status, kind, shown):
    failure = answered(make_plugin, clock, said(status, f"no {PASSWORD}, simulated-access-1"))
    assert (type(failure), str(failure)) == (kind, shown.format("no ••••••, ••••••"))


def test_not_now_in_the_body_is_throttled(make_plugin, clock):
    failure = answered(make_plugin, clock, said(429, "too many requests", response=None))
    assert (type(failure), str(failure), failure.after) == (
        Throttled,
        "Daly answered 429 too many requests: not now.",
        None,
    )


def test_a_bike_daly_does_not_know_is_refused(switch):
    failure = failure_of(switch, True, STRANGER)
    assert (type(failure), str(failure)) == (Refused, "terminal not found")


def test_a_bike_out_of_reach_hinders_no_other(switch, simulator):
    simulator.set_fault("offline", serial=STRANGER.serial)
    assert switch() == Grant(delivery=Delivery.REMOTE)


@pytest.mark.parametrize(
    ("fault", "switched"),
    [
        pytest.param("down", 0, id="M1 closed after the request"),
        pytest.param("lose_answer", 1, id="M2 answer lost"),
        pytest.param("timeout_after_mint", 1, id="M2 timeout"),
        pytest.param("error_500", 1, id="M4 500 after switching"),
        pytest.param("error_500_before", 0, id="M4 500 before switching"),
        pytest.param("bad_gateway", 1, id="M4 502"),
        pytest.param("malformed_json", 1, id="M6 malformed"),
        pytest.param("truncated", 1, id="M6 truncated"),
        pytest.param("html", 1, id="M7 login page"),
        pytest.param("slow_loris", 1, id="M10 slow loris"),
        pytest.param("huge", 1, id="M11 huge body"),
        pytest.param("redirect", 1, id="M12 redirect"),
        pytest.param("without_status", 1, id="no status"),
        pytest.param("without_response", 1, id="neither yes nor no"),
        pytest.param("no_success", 1, id="contradicting itself"),
        pytest.param("no_words", 0, id="a no without words"),
    ],
)
def test_a_spoiled_answer_leaves_the_outcome_unknown(switch, simulator, fault, switched):
    simulator.set_fault(fault)
    deadline = 0.7 if fault in {"timeout_after_mint", "slow_loris"} else 10.0
    failure = failure_of(switch, True, BIKE, deadline)
    assert type(failure) is OutcomeUnknown
    assert len(simulator.switches) == switched
    assert not any(secret in str(failure) for secret in (PASSWORD, "simulated-access"))


@pytest.mark.parametrize("fault", ["throttled", "unavailable"])
def test_not_now_is_throttled_for_as_long_as_daly_asks(switch, simulator, fault):
    simulator.set_fault(fault, times=1)
    failure = failure_of(switch)
    assert (type(failure), failure.after) == (Throttled, timedelta(seconds=7))
    assert switch() == Grant(delivery=Delivery.REMOTE)


def test_a_slow_answer_is_an_answer(switch, simulator):
    simulator.set_fault("slow")
    assert switch() == Grant(delivery=Delivery.REMOTE)


def test_nobody_listening_means_not_sent(make_plugin, clock):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    plugin = make_plugin(api_url=f"http://127.0.0.1:{port}/api")
    failure = failure_of(plugin.mpm_switch_device, BIKE, True, clock.context())
    assert type(failure) is NotSent


@pytest.mark.parametrize(("fault", "status"), [("forbidden", 403), ("wrong_path", 404)])
def test_a_closed_door_waits_for_other_settings(switch, simulator, server, fault, status):
    simulator.set_fault(fault)
    failure = failure_of(switch)
    assert (type(failure), str(failure)) == (
        Misconfigured,
        (
            f"{server.url}/daly/api answered status {status}; correct api_url, or ask Daly what "
            "this account may do."
        ),
    )


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(400, b"{}", id="400"),
        pytest.param(409, b'{"status":200,"response":{}}', id="409 with a yes"),
        pytest.param(200, b"[]", id="a list"),
    ],
)
def test_what_is_no_answer_of_daly_is_unknown(make_plugin, clock, status, body):
    failure = answered(make_plugin, clock, SimulatedReply(status=status, body=body))
    assert type(failure) is OutcomeUnknown
    assert str(failure).endswith(
        "but that is no answer of Daly's platform; the request may have taken effect."
    )


# --- the login ------------------------------------------------------------------------------------


def test_a_login_is_used_until_shortly_before_it_ends(switch, simulator, clock):
    switch()
    clock.advance(86_369)
    switch()
    assert simulator.logins == 1
    clock.advance(1)
    switch()
    assert simulator.logins == 2


def test_parallel_switches_log_in_once(plugin, simulator, clock):
    grants: list[Grant] = []
    threads = [
        threading.Thread(
            target=lambda: grants.append(plugin.mpm_switch_device(BIKE, True, clock.context()))
        )
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(grants), len(simulator.switches), simulator.logins) == (12, 12, 1)


@pytest.mark.parametrize("fault", ["expired_token", "expired_in_body"])
def test_a_stale_login_is_renewed_once(switch, simulator, fault):
    switch()
    simulator.set_fault(fault, times=1)
    assert switch() == Grant(delivery=Delivery.REMOTE)
    assert (simulator.logins, len(simulator.switches)) == (2, 2)


@pytest.mark.parametrize("fault", ["expired_token", "expired_in_body"])
def test_a_fresh_login_that_is_refused_too_waits(switch, simulator, server, fault):
    simulator.set_fault(fault)
    failure = failure_of(switch)
    assert (type(failure), str(failure)) == (
        Misconfigured,
        (
            f"{server.url}/daly/api refused a fresh login (status 401); ask Daly what this account "
            "may do."
        ),
    )
    assert (simulator.logins, simulator.switches) == (2, [])


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        pytest.param({"password": "wrong"}, None, id="wrong password"),
        pytest.param({"username": "wrong"}, None, id="wrong user name"),
        pytest.param({}, "auth_refused", id="refused"),
    ],
)
def test_refused_credentials_wait_for_other_settings(make_plugin, simulator, clock, changed, fault):
    if fault:
        simulator.set_fault(fault)
    plugin = make_plugin(**changed)
    failure = failure_of(plugin.mpm_switch_device, BIKE, True, clock.context())
    assert (type(failure), str(failure)) == (Misconfigured, LOGIN_REFUSED.format(400))


def test_a_wrong_api_url_waits_for_other_settings(make_plugin, server, clock):
    plugin = make_plugin(api_url=f"{server.url}/daly/elsewhere")
    failure = failure_of(plugin.mpm_switch_device, BIKE, True, clock.context())
    assert (type(failure), str(failure)) == (Misconfigured, LOGIN_REFUSED.format(404))


@pytest.mark.parametrize("fault", ["auth_down", "auth_error_500", "auth_without_token"])
def test_a_login_that_fails_means_not_sent(switch, simulator, fault):
    simulator.set_fault(fault, times=1)
    assert type(failure_of(switch)) is NotSent
    assert switch() == Grant(delivery=Delivery.REMOTE)
    assert len(simulator.switches) == 1


@pytest.mark.parametrize(
    ("granted", "logins"),
    [
        pytest.param({"expires_in": 300}, 1, id="five minutes"),
        pytest.param({"expires_in": "300"}, 1, id="as text"),
        pytest.param({"expires_in": 10**30}, 1, id="absurdly long"),
        pytest.param({}, 2, id="not said"),
        pytest.param({"expires_in": 1.5}, 2, id="a fraction"),
        pytest.param({"expires_in": True}, 2, id="true"),
        pytest.param({"expires_in": 30}, 2, id="within the margin"),
        pytest.param({"expires_in": -5}, 2, id="negative"),
    ],
)
def test_a_login_is_kept_only_as_long_as_it_says(make_plugin, clock, granted, logins):
    class Login(Canned):
        def handle(self, request):
            self.asked.append(request.path)
            response = {"token": "a", **granted} if request.path == LOGIN else {"Data": {}}
            body = {"status": 200, "msg": "ok", "response": response}
            return SimulatedReply(body=json.dumps(body).encode())

    login = Login(SimulatedReply())
    with serve({"daly": login}) as other:
        plugin = make_plugin(**login.settings(other.base_url("daly")))
        for _ in range(2):
            plugin.mpm_switch_device(BIKE, True, clock.context())
    assert login.asked.count(LOGIN) == logins


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"status": 200, "response": {"token": ""}}, id="empty"),
        pytest.param({"status": 200, "response": {"token": 7}}, id="number"),
        pytest.param({"status": 200, "response": {"token": "a\nb"}}, id="line end"),
        pytest.param({"status": 200, "response": {"token": "a" * 8193}}, id="endless"),
        pytest.param({"status": 200, "response": None}, id="no response"),
        pytest.param({"status": 503, "response": {"token": "a"}}, id="another status"),
        pytest.param({"response": {"token": "a"}}, id="no status"),
        pytest.param([], id="a list"),
    ],
)
def test_a_login_without_a_usable_token_is_tried_again_later(make_plugin, clock, body):
    class Login(Canned):
        def handle(self, _request):
            return self.reply

    login = Login(SimulatedReply(body=json.dumps(body).encode()))
    with serve({"daly": login}) as other:
        plugin = make_plugin(**login.settings(other.base_url("daly")))
        failure = failure_of(plugin.mpm_switch_device, BIKE, True, clock.context())
    assert type(failure) is NotSent
    assert str(failure).endswith("but it holds no access token; nothing happened.")


def test_a_call_does_not_wait_for_a_hung_login_of_another(plugin, clock):
    access = plugin._client._access
    with access._lock:
        failure = failure_of(plugin.mpm_switch_device, BIKE, True, clock.context(deadline=0.05))
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
    def switch() -> None:
        enter_record(EffectRecord.starting_now(left, time.monotonic))
        plugin.mpm_switch_device(BIKE, True, clock.context(deadline=600.0))

    with plugin._client._access._lock:
        failures = failure_within(5.0, switch)
    assert [(type(failure), str(failure)) for failure in failures] == [(NotSent, LOGIN_IS_BUSY)]


def test_a_call_does_not_wait_for_a_hung_login_when_its_own_is_stale(make_plugin, clock):
    class Stale(Canned):
        def handle(self, request):
            if request.path != LOGIN:
                plugin._client._access._lock.acquire()  # as another call's login that hangs
            return super().handle(request)

    stale = Stale(SimulatedReply(status=401, body=b"{}"))
    with serve({"daly": stale}) as other:
        plugin = make_plugin(**stale.settings(other.base_url("daly")))
        failures = failure_within(
            10.0, plugin.mpm_switch_device, BIKE, True, clock.context(deadline=2.0)
        )
    assert [(type(failure), str(failure)) for failure in failures] == [(NotSent, LOGIN_IS_BUSY)]


def test_a_login_lost_after_a_stale_one_means_not_sent(plugin, simulator, clock):
    plugin.mpm_switch_device(BIKE, True, clock.context())
    simulator.set_fault("expired_token", times=1)
    simulator.set_fault("auth_down", times=1)
    record = EffectRecord.starting_now(10.0, time.monotonic)
    token = enter_record(record)
    try:
        failure = failure_of(plugin.mpm_switch_device, BIKE, True, clock.context())
    finally:
        leave_record(token)
    assert (type(failure), record.may_have_left) == (NotSent, False)


# --- looking a bike up ----------------------------------------------------------------------------


def test_a_listed_bike_is_mapped_and_a_stranger_is_not(plugin, clock):
    assert plugin.mpm_register_device(BIKE, clock.context()) is DeviceMapping.MAPPED
    assert plugin.mpm_register_device(STRANGER, clock.context()) is DeviceMapping.NOT_MAPPED


def test_a_bike_is_read_without_its_place(plugin, switch, clock):
    switch()
    assert plugin.mpm_read_device(BIKE, clock.context()) == DeviceReading(
        at=clock.now,
        facts={
            "switched": "on",
            "received_at": "2026-01-15 11:00:00",
            "mileage": "1234.5",
            "speed": "0",
            "battery_level": "81",
            "battery_voltage": "51.2",
            "state_of_health": "97",
        },
    )


def test_a_bike_daly_does_not_list_cannot_be_read(plugin, clock):
    failure = failure_of(plugin.mpm_read_device, STRANGER, clock.context())
    assert (type(failure), str(failure)) == (Refused, "Daly lists no bike DL8500000999.")


@pytest.mark.parametrize(
    "fault",
    [
        "down",
        "error_500",
        "bad_gateway",
        "html",
        "truncated",
        "redirect",
        "huge",
        "offline",
        "without_response",
    ],
)
def test_a_look_up_without_an_answer_is_tried_again_later(plugin, simulator, clock, fault):
    simulator.set_fault(fault)
    failure = failure_of(plugin.mpm_register_device, BIKE, clock.context())
    assert type(failure) is NotSent


def test_a_look_up_that_lists_nothing_readable_is_tried_again_later(make_plugin, clock):
    canned = Canned(SimulatedReply(body=b'{"status":200,"response":{"Data":{}}}'))
    with serve({"daly": canned}) as other:
        plugin = make_plugin(**canned.settings(other.base_url("daly")))
        failure = failure_of(plugin.mpm_register_device, BIKE, clock.context())
    assert type(failure) is NotSent
    assert str(failure).endswith("but it lists no bikes; nothing happened.")


# --- health and secrets ---------------------------------------------------------------------------


def test_check_logs_in_afresh_each_time(plugin, simulator, clock):
    healthy = Health(ok=True, detail="Daly's login accepts user name and password.")
    assert [plugin.mpm_check(clock.context()) for _ in range(2)] == [healthy, healthy]
    assert simulator.logins == 2


def test_check_says_what_to_correct(make_plugin, clock):
    assert make_plugin(password="wrong").mpm_check(clock.context()) == Health(
        ok=False, detail=LOGIN_REFUSED.format(400)
    )


def test_the_password_in_the_query_reaches_no_log_message_or_repr(
    make_plugin, simulator, clock, caplog
):
    caplog.set_level(logging.DEBUG)
    plugin = make_plugin()
    simulator.set_fault("auth_down", times=1)
    failure = failure_of(plugin.mpm_switch_device, BIKE, True, clock.context())
    plugin.mpm_switch_device(BIKE, True, clock.context())
    shown = f"{failure} {failure!r} {caplog.text} {vars(plugin._client._access)!r}"
    assert PASSWORD not in shown
    assert "simulated-access" not in shown
