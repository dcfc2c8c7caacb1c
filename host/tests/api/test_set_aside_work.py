"""Look-ups, switches and pushes nobody can work on (T13, C11): set aside, listed, tried again."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest
import sqlalchemy as sa

from host.tests.api.telecoms import Telecom, pushing_config
from mpm_core import Charge, ChargeKind, Money, Unit, UserError
from mpm_core.simulation.server import serve
from mpm_host.database import tables as t
from mpm_host.database.outbox_tables import pushes
from mpm_host.identifiers import new_identifier
from mpm_host.orders.switch_rows import extend_switch
from mpm_host.plugins.waiting_remarks import waiting_remarks
from mpm_host.poison_work import guarded, is_database_fault
from mpm_host.set_aside_work import count_set_aside_work, work_again
from mpm_host.work_sources import SOURCES
from tests.kit.acme_pay import AcmePaySimulator
from tests.support.query_plans import captured_statements, scanning_statements

HOME = "12345678"
KINDS = ("devices", "switches", "pushes")
WORDS = {
    "devices": ("sunking", "look-ups of devices"),
    "switches": ("sunking", "switches of devices"),
    "pushes": ("acme", "pushes to payers"),
}


@pytest.fixture
def config_text(database_url, plugin_folder):
    return pushing_config(database_url, plugin_folder)


@pytest.fixture
def telecom(installation):
    simulator = AcmePaySimulator()
    with serve({"acme-pay": simulator}) as simulation:
        yield Telecom(installation, (simulator, simulation.base_url("acme-pay")))


@attrs.frozen
class Poison:
    """One row that its worker fails on, and how the running host works on it."""

    telecom: Telecom
    kind: str
    key: str

    def spoil(self, *, mend=False):
        """Make the row one that nobody can read; or mend it."""
        if self.kind == "pushes":
            change = sa.update(pushes).values(payer="+255712345678" if mend else "nonsense")
        else:
            change = sa.update(t.devices).where(t.devices.c.serial == HOME)
            change = change.values(kind="shs" if mend else "nonsense")
        self.write(change)

    def write(self, change):
        with self.telecom.engines.write.begin() as connection:
            connection.execute(change)

    def work(self, times=1):
        work = self.telecom.services._handlers()[self.kind]
        for _ in range(times):
            with pytest.raises(ValueError, match=r"nonsense|E\.164"):
                work(self.key)
            self.telecom.clock.move(minutes=2)

    def row(self):
        table = SOURCES[self.kind].table
        with self.telecom.engines.read.connect() as connection:
            query = sa.select(table).where(table.c.id == self.key)
            return connection.execute(query).mappings().one()

    def mark(self):
        row = self.row()
        return row["work_failures"], row["set_aside_at"] is not None, row["next_at"] is not None

    @property
    def instance(self):
        host = self.telecom.installation.host
        return host.companies.find_instance("umeme", WORDS[self.kind][0])

    def remarks(self):
        host = self.telecom.installation.host
        return list(waiting_remarks(host, [host.house.directory.by_slug["umeme"]]))

    def again(self):
        actor = self.telecom.installation.actor
        with self.telecom.engines.write.begin() as connection:
            return work_again(connection, self.instance, actor)


def poisoned(telecom, kind):
    """Make a row of a kind of work that is due, and spoil it."""
    if kind == "pushes":
        key, _ = telecom.push()
        telecom.work(key)  # so it is sent
    else:
        telecom.shop.home(HOME)
        key = _switch(telecom) if kind == "switches" else _home(telecom).id
    poison = Poison(telecom, kind, key)
    poison.spoil()
    return poison


def _home(telecom):
    with telecom.engines.read.connect() as connection:
        return connection.execute(sa.select(t.devices).where(t.devices.c.serial == HOME)).one()


def _switch(telecom):
    device, switch_id = _home(telecom), new_identifier()
    with telecom.engines.write.begin() as connection:
        connection.execute(
            sa.insert(t.switches).values(
                id=switch_id, company_id=device.company_id, device_id=device.id,
                paid_until=telecom.clock() + timedelta(days=9), next_at=telecom.clock(),
                created_at=telecom.clock(),
            )
        )  # fmt: skip
    return switch_id


@pytest.fixture(params=KINDS)
def poison(telecom, request):
    return poisoned(telecom, request.param)


def test_work_that_only_fails_is_set_aside_after_five_tries_and_listed(poison):
    """T13, C11."""
    poison.work(times=4)
    assert poison.mark() == (4, False, True)
    assert poison.remarks() == []

    poison.work()

    assert poison.mark() == (5, True, False)
    instance, words = WORDS[poison.kind]
    assert poison.remarks() == [
        (
            f"umeme/{instance}: 1 {words} failed again and again and were set aside; see the log, "
            f"mend the cause, then `mpm plugins rework umeme {instance}`."
        )
    ]
    stranger = poison.telecom.installation.host.house.directory.by_slug["jirani"]
    with poison.telecom.engines.read.connect() as connection:
        assert count_set_aside_work(connection, [stranger.id]) == []


def test_work_that_was_set_aside_and_mended_is_tried_again_by_a_person_and_audited(poison):
    poison.work(times=5)
    poison.spoil(mend=True)

    assert (poison.again(), poison.again()) == (1, 0)

    assert poison.mark() == (0, False, True)
    assert poison.remarks() == []
    audit = poison.telecom.installation.audit(poison.telecom.api)
    noted = [line for line in audit if line["action"] == "instance.worked_again"]
    assert [(line["subject"], line["after"]) for line in noted] == [
        (WORDS[poison.kind][0], {poison.kind: 1})
    ]
    poison.telecom.services._handlers()[poison.kind](poison.key)
    assert poison.mark()[:2] == (0, False)


def test_a_try_that_ends_as_it_should_starts_the_count_again(poison):
    poison.work(times=4)
    poison.spoil(mend=True)
    poison.telecom.services._handlers()[poison.kind](poison.key)
    before = poison.row()["work_failures"]
    poison.write(sa.update(SOURCES[poison.kind].table).values(next_at=poison.telecom.clock()))
    poison.spoil()

    poison.work()

    assert (before, poison.mark()) == (0, (1, False, True))


def test_a_payment_has_a_switch_that_was_set_aside_tried_again(telecom):
    poison = poisoned(telecom, "switches")
    poison.work(times=5)
    poison.spoil(mend=True)

    with telecom.engines.write.begin() as connection:
        charge = Charge(
            kind=ChargeKind.TIME, money=Money.parse("700", "TZS"), quantity=7, unit=Unit.DAY
        )
        extend_switch(connection, poison.row()["device_id"], charge, telecom.clock())

    assert poison.mark() == (0, False, True)


def test_asking_the_manufacturer_again_brings_back_a_look_up_that_was_set_aside(telecom):
    poison = poisoned(telecom, "devices")
    poison.work(times=5)
    poison.spoil(mend=True)

    telecom.api.ok("POST", f"/devices/{poison.key}/look-up")

    assert poison.mark() == (0, False, True)


# --- pushes: what is known of the payer's money ---------------------------------------------------


def test_a_push_that_was_sent_and_cannot_be_worked_on_is_unknown_and_needs_a_person(telecom):
    poison = poisoned(telecom, "pushes")
    poison.work(times=5)
    poison.spoil(mend=True)

    shown, payment = telecom.show(poison.key), telecom.payment(poison.key)
    assert (shown["status"], shown["detail"]) == (
        "unknown", "Working on it failed 5 times (ValueError); a person must look.",
    )  # fmt: skip
    assert (payment["status"], payment["needs_person"]) == ("validated", True)

    poison.again()
    assert telecom.payment(poison.key)["needs_person"] is False
    telecom.simulator.answer_push(shown["reference"], "paid")
    assert telecom.work(poison.key)["status"] == "paid"
    assert telecom.simulator.prompts == [shown["reference"]]  # nobody was asked twice
    assert telecom.verified() == []


def test_a_push_that_was_never_sent_and_cannot_be_worked_on_has_failed(telecom):
    push_id, _ = telecom.push()
    poison = Poison(telecom, "pushes", push_id)
    poison.spoil()
    poison.work(times=5)
    poison.spoil(mend=True)

    shown, payment = telecom.show(push_id), telecom.payment(push_id)
    assert (shown["status"], shown["finished_at"] is not None) == ("failed", True)
    assert (payment["status"], payment["reason"], payment["needs_person"]) == (
        "rejected", "push_failed", False,
    )  # fmt: skip
    assert poison.remarks() == []  # it has ended; whoever asked for it sees that, and asks anew
    assert poison.again() == 0
    assert telecom.simulator.prompts == []


def test_a_notice_brings_back_a_push_that_was_set_aside(telecom):
    poison = poisoned(telecom, "pushes")
    poison.work(times=5)
    poison.spoil(mend=True)
    key = telecom.show(poison.key)["reference"]
    telecom.simulator.answer_push(key, "paid")

    telecom.notice(key, "paid")

    assert poison.mark() == (0, False, True)
    assert telecom.work(poison.key)["status"] == "paid"


# --- what counts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        pytest.param(KeyError("calin"), True, id="a bug"),
        pytest.param(UserError("cannot be decrypted"), True, id="details nobody can decrypt"),
        pytest.param(sa.exc.DataError("select", {}, Exception("?")), True, id="a value too long"),
        pytest.param(
            sa.exc.OperationalError("select", {}, Exception("gone")), False, id="database gone"
        ),
        pytest.param(
            sa.exc.InternalError("update", {}, Exception("in a read-only transaction")),
            False,
            id="server demoted",
        ),
        pytest.param(TimeoutError(), False, id="the desk is stuck"),
    ],
)
def test_only_what_concerns_the_row_counts(error, counts):
    noted = []

    def fail(_key):
        raise error

    work = guarded(fail, lambda *what: noted.append(what), not_its_fault=is_database_fault)
    with pytest.raises(type(error)):
        work("one")
    assert noted == ([("one", type(error).__name__)] if counts else [])


def test_counting_and_bringing_back_what_was_set_aside_reads_no_growing_table_as_a_whole(telecom):
    poison = poisoned(telecom, "devices")
    poison.work(times=5)
    with captured_statements(telecom.engines.read, telecom.engines.write) as said:
        poison.remarks()
        poison.again()

    assert len(said) > 8
    assert scanning_statements(telecom.engines.write, said) == set()
