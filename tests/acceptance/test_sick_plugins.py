"""Plugins that raise, hang, lie or cannot be imported: named, contained, nobody else stopped."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time

import attrs
import httpx
import pytest
import sqlalchemy as sa

from mpm_calin.simulator import CalinSimulator
from mpm_core.simulation.server import serve
from mpm_host.configuration.config import parse_config
from mpm_host.configuration.config_values import ConfigSource
from mpm_host.database import tables as t
from mpm_host.encryption import new_key
from mpm_host.host import Host
from mpm_host.services import Services
from mpm_host.web.server import bound_socket, running
from mpm_host.work import WorkLimits
from tests.support.config_text import config_text
from tests.support.seeding import register_meters
from tests.support.table_contents import differences
from tests.support.telecom_calls import airtel_headers, airtel_process, airtel_validation

GOOD = "47000124512"
SECRET = "canary-airtel-secret-" + "a" * 60
VALIDATED = b"<COMMAND><STATUS>200</STATUS><MESSAGE>Success</MESSAGE></COMMAND>"
ACCEPTED = b"<STATUS>200</STATUS>"
MODULE = '''
import sys, time
import attrs
from mpm_core import *
from mpm_core.manifest import OrphanEffect, Recovery

@attrs.frozen(kw_only=True)
class Settings:
    """Nothing to set."""

class Sick:
    manifest = Manifest(
        kind=PluginKind.MANUFACTURER, title="Sick", settings_class=Settings,
        device_kinds=frozenset({{DeviceKind.METER}}), energy_step=100, deadline=1.0,
        operations={{ChargeKind.ENERGY: Operation(
            recovery=Recovery.NONE, orphan_effect=OrphanEffect.CHARGES_VENDOR_BALANCE)}},
    )

    def __init__(self, settings, runtime):
        pass

    @hookimpl
    def mpm_generate_token(self, device, charge):
        {generate}

    @hookimpl
    def mpm_validate_payment(self, payment):
        {validate}

    @hookimpl
    def mpm_payment_accepted(self, payment):
        {validate}
'''
FINE = "return None"
SICK = {
    "raiser": ('raise RuntimeError("boom")', 'raise RuntimeError("boom")'),
    "hanger": ("time.sleep(4)", FINE),
    "liar": ('return "12345678901234567890"', 'return "fine"'),
    "silent": ("return None", FINE),
    "leaver": ("sys.exit(3)", FINE),
    "looper": ("return self.mpm_generate_token(device, charge)", FINE),
}
SERIALS = {name: f"4700012460{number}" for number, name in enumerate(SICK)}


@attrs.frozen(kw_only=True)
class Stage:
    """A host whose company uses every sick plugin, and a good one."""

    host: Host
    services: Services
    url: str

    def airtel(self, action, reference, body):
        """Make a genuine call."""
        key = next(r for r in self.host.house.directory.instances.values() if r.name == "airtel")
        url = f"{self.url}/callbacks/{key.callback_key}/c2b/{action}"
        headers = airtel_headers(SECRET, reference)
        return httpx.post(url, content=body, headers=headers, timeout=30, trust_env=False)

    def order_of(self, reference):
        """Return status and detail of a payment's order and its last attempt."""
        p, o = t.payments.c, t.orders.c
        query = (
            sa.select(p.status, o.attempts, o.detail)
            .join(t.orders, o.payment_id == p.id)
            .where(p.reference == reference)
        )
        with self.host.engines.read.connect() as connection:
            return connection.execute(query).one()

    def tokens_of(self, reference):
        """Count the tokens of a payment."""
        query = (
            sa.select(sa.func.count())
            .select_from(t.tokens.join(t.payments, t.payments.c.id == t.tokens.c.payment_id))
            .where(t.payments.c.reference == reference)
        )
        with self.host.engines.read.connect() as connection:
            return connection.execute(query).scalar_one()

    def wait_for(self, reference, attempts=1, seconds=20.0):
        """Wait until an order was tried and the try has ended."""
        until = time.monotonic() + seconds
        while True:
            order = self.order_of(reference)
            if order.attempts >= attempts and (order.detail or order.status == "settled"):
                return order
            if time.monotonic() > until:
                raise TimeoutError(f"{reference}: {order}")
            time.sleep(0.05)


def _install(folder, name, code):
    module = f"mpm_{name}_of_acceptance"
    (folder / f"{module}.py").write_text(code)
    information = folder / f"mpm_{name}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: mpm-{name}\nVersion: 1.0\n"
        "Requires-Dist: mpm-payg-core>=0.1\n"
    )
    (information / "entry_points.txt").write_text(f"[mpm_core.plugins]\n{name} = {module}:Sick\n")


@pytest.fixture(scope="module")
def plugin_path(tmp_path_factory):
    """A folder with the sick plugins, on the path."""
    folder = tmp_path_factory.mktemp("sick")
    for name, (generate, validate) in SICK.items():
        _install(folder, name, MODULE.format(generate=generate, validate=validate))
    _install(folder, "broken", "raise RuntimeError('import boom')")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder
    for name in [name for name in sys.modules if name.endswith("_of_acceptance")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def stage(plugin_path, sqlite_template, tmp_path_factory):
    """One company with all of them."""
    folder = tmp_path_factory.mktemp("stage")
    shutil.copyfile(sqlite_template, folder / "mpm.db")
    calin = CalinSimulator()
    with contextlib.ExitStack() as stack:
        simulation = stack.enter_context(serve({"calin": calin}))
        text = config_text(
            database=f"sqlite:///{folder / 'mpm.db'}",
            secret_key=new_key(),
            instances={
                "airtel": {"jwt_secret": SECRET},
                "calin": calin.settings(simulation.base_url("calin")),
                **{name: {} for name in (*SICK, "broken", "missing")},
            },
        )
        source = ConfigSource(folder=folder, environ=dict(os.environ))
        host = stack.enter_context(Host.open(parse_config(text, source)))
        host.reconcile()
        calin.knows(GOOD)
        register_meters(host, "demo", [GOOD])
        for name, serial in SERIALS.items():
            register_meters(host, "demo", [serial], manufacturer=name)
        limits = WorkLimits(poll=0.1, engine_poll=0.02)
        services = Services(host, workers=True, limits=limits)
        services.start()
        stack.callback(services.close)
        listening = stack.enter_context(contextlib.closing(bound_socket("127.0.0.1", 0)))
        url = stack.enter_context(running(services.application(), listening))
        yield Stage(host=host, services=services, url=url)


def test_a_plugin_that_cannot_be_loaded_is_named_with_the_reason_and_the_others_work(stage):
    problems = {r.name: r.problem for r in stage.host.house.directory.instances.values()}
    assert {name for name, problem in problems.items() if problem} == {"broken", "missing"}
    assert (
        "importing mpm_broken_of_acceptance raised RuntimeError: import boom"
        in (problems["broken"])
    )
    assert "missing" in problems["missing"]


@pytest.fixture(scope="module")
def paid(stage):
    """The stage, after a payment for a device of each sick plugin."""
    for name, serial in SERIALS.items():
        body = airtel_process(f"SICK-{name}", serial, "1000")
        assert ACCEPTED in stage.airtel("process", f"SICK-{name}", body).content
    return stage


def test_sick_plugins_do_not_stop_a_payment_of_another_manufacturer(paid):
    asked = airtel_validation("GOOD1", GOOD, "1000")
    assert paid.airtel("validate", "GOOD1", asked).content == VALIDATED
    assert ACCEPTED in paid.airtel("process", "GOOD1", airtel_process("GOOD1")).content
    assert paid.wait_for("GOOD1", seconds=10).status == "settled"


NOT_A_GRANT = "answered wrongly: it is {}, not Grant or Pending. Nothing happened; "


@pytest.mark.parametrize(
    ("name", "status", "fact"),
    [
        ("raiser", "token_pending", "raised RuntimeError (mpm_raiser_of_acceptance.py line "),
        ("hanger", "unknown", "gave no answer within 1 s. It may still take effect."),
        ("liar", "token_pending", NOT_A_GRANT.format("str")),
        ("silent", "token_pending", NOT_A_GRANT.format("NoneType")),
        ("leaver", "token_pending", "SystemExit"),
        ("looper", "token_pending", "RecursionError"),
    ],
)
def test_money_for_a_sick_plugin_is_kept_and_its_author_is_named(paid, name, status, fact):
    order = paid.wait_for(f"SICK-{name}")
    # after five violations in a row a person must decide
    assert order.status in {status, "held" if order.attempts >= 5 else status}
    assert f"Plugin {name} (mpm-{name} 1.0), instance {name} of company demo" in order.detail
    assert fact in order.detail
    assert paid.tokens_of(f"SICK-{name}") == 0


def test_a_failing_check_of_the_device_s_own_plugin_refuses_at_validation_only(stage):
    asked = airtel_validation("OWN1", SERIALS["raiser"], "1000")
    answer = stage.airtel("validate", "OWN1", asked)
    assert answer.content == (
        b"<COMMAND><STATUS>400</STATUS><MESSAGE>Service unavailable, try again</MESSAGE></COMMAND>"
    )
    body = airtel_process("OWN1", SERIALS["raiser"], "1000")
    assert ACCEPTED in stage.airtel("process", "OWN1", body).content


def test_the_ledger_is_exact_with_sick_plugins_around(stage):
    assert differences(stage.host.engines.read) == []
