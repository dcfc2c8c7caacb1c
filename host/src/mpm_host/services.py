"""The services of a running host: the desk, the workers and the web application, wired together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

from litestar import Litestar
from sqlalchemy.engine import Connection

from mpm_host.actions.payment_actions import PaymentActions, look_after
from mpm_host.failure_log import FailureLog
from mpm_host.host import Host
from mpm_host.imports.import_worker import ImportWorker
from mpm_host.messages.message_sender import MessageSender
from mpm_host.monitoring.circuits import Circuits
from mpm_host.monitoring.database_gauges import DatabaseGauges
from mpm_host.monitoring.metrics import Metrics
from mpm_host.monitoring.readiness import Problem, Readiness
from mpm_host.orders.order_worker import OrderWorker
from mpm_host.orders.set_aside import OrderKeeper
from mpm_host.orders.switcher import Switcher
from mpm_host.outbox.teller import Teller
from mpm_host.payments.access_accrual import AccessAccrual
from mpm_host.payments.cash_desk import CashDesk
from mpm_host.payments.payment_desk import PaymentDesk
from mpm_host.payments.token_desk import TokenDesk
from mpm_host.poison_work import (
    SetAside,
    WorkKeeper,
    end_nothing,
    guarded,
    is_database_fault,
)
from mpm_host.pushes.push_desk import PushDesk
from mpm_host.pushes.push_store import end_set_aside
from mpm_host.pushes.push_worker import PushWorker
from mpm_host.registration.device_lookup import DeviceLookup
from mpm_host.web.api.door import ApiDoor
from mpm_host.web.api.operation import ApiContext
from mpm_host.web.application import Doors, make_application
from mpm_host.web.callbacks import CallbackDoor
from mpm_host.web.operations import MetricsAccess, Operations
from mpm_host.work import Work, WorkLimits

__all__ = ["Services"]

_LIMITS = WorkLimits()
_RELOAD_SECONDS = 2.0
_STUCK_SECONDS = 10.0
_HOUR = timedelta(hours=1)


class Services:
    """What `mpm serve`, `mpm worker` and the demo run.

    Args:
        host: the opened installation.
        workers: carry out background work in this process.
        limits: of the workers.
    """

    def __init__(self, host: Host, *, workers: bool, limits: WorkLimits = _LIMITS) -> None:
        self._host = host
        self._stopping = threading.Event()
        resources = host.resources
        self.metrics = Metrics(directory=resources.directory, clock=host.clock)
        self.metrics.add(
            DatabaseGauges(
                engine=host.engines.read,
                clock=host.clock,
                directory=resources.directory,
            )
        )
        self.metrics.add(Circuits(host.house))
        self.messages = MessageSender(
            resources,
            note=self.metrics.note_message,
        )
        self.desk = PaymentDesk(
            resources,
            wake=self.wake,
            note_delivery=self.messages.note_delivery,
            note_call=self.metrics.note_call,
        )
        self.orders = OrderWorker(
            resources,
            wake=self.wake,
            tell_after=host.config.host.tell_after,
            note_step=self.metrics.note_step,
        )
        self.actions = PaymentActions(
            vault=host.vault,
            directory=resources.directory,
            tell_after=host.config.host.tell_after,
        )
        self.cash = CashDesk(vault=host.vault, directory=resources.directory)
        self.tokens = TokenDesk(vault=host.vault, directory=resources.directory)
        self.devices = DeviceLookup(resources)
        self.switches = Switcher(resources)
        self.push_desk = PushDesk(resources)
        self.pushes = PushWorker(
            resources,
            submit=self.desk.submit,
            wake=self.wake,
        )
        self.teller = Teller(resources)
        self.imports = ImportWorker(
            resources, plan_of=host.house.plan_of, is_stopping=self._stopping.is_set
        )
        self._work = (
            Work(
                engines=host.engines,
                clock=host.clock,
                handlers=self._handlers(),
                limits=limits,
                give_up=host.house.give_up,
            )
            if workers
            else None
        )

        self._accrual = AccessAccrual(
            engines=host.engines, clock=host.clock, directory=resources.directory
        )
        self._housekeeper = threading.Thread(
            target=self._keep_house, name="housekeeper", daemon=True
        )

    def _handlers(self) -> dict[str, Callable[[str], None]]:
        """Return what is done with each kind of work; what only fails is set aside."""
        orders = OrderKeeper(engines=self._host.engines, clock=self._host.clock)
        return {
            "orders": guarded(self.orders.work_on, orders.note_failure),
            "messages": guarded(self.messages.work_on, self.messages.note_failure),
            "devices": self._kept("devices", self.devices.work_on),
            "switches": self._kept("switches", self.switches.work_on),
            "pushes": self._kept("pushes", self.pushes.work_on, end=end_set_aside),
            "imports": self.imports.work_on,
            "tellings": guarded(self.teller.work_on, self.teller.note_failure),
        }

    def _kept(
        self,
        kind: str,
        work_on: Callable[[str], None],
        *,
        end: Callable[[Connection, SetAside], None] = end_nothing,
    ) -> Callable[[str], None]:
        """Guard work whose rows bear a mark once they are set aside, also when unreadable."""
        keeper = WorkKeeper(engines=self._host.engines, clock=self._host.clock, kind=kind, end=end)
        return guarded(work_on, keeper.note_failure, not_its_fault=is_database_fault)

    def start(self) -> None:
        """Start the background work; not inside a running event loop."""
        if self._work is not None:
            self._work.start()
        self._housekeeper.start()

    def _keep_house(self) -> None:
        """Notice what other processes changed, and let access rates fall due."""
        accrued_at, failures = None, FailureLog("housekeeping_failed")
        while not self._stopping.wait(_RELOAD_SECONDS):
            try:
                self._host.house.reload()
                now = self._host.clock()
                if self._work is not None and (accrued_at is None or now - accrued_at > _HOUR):
                    accrued_at = now
                    self._accrual.run()
            except Exception as error:  # noqa: BLE001 - without it no change would be noticed any more
                failures.tell(error)  # what is in memory goes on

    def wake(self) -> None:
        """Look for due work at once, if this process does any."""
        if self._work is not None:
            self._work.wake()

    def look_after(self, payment_id: str) -> None:
        """Have an unknown payment looked after now, because somebody sees it."""
        if look_after(self._host.engines, payment_id, self._host.clock()):
            self.wake()

    def application(self) -> Litestar:
        """Return the web application over these services."""
        return make_application(self.doors(), public_url=self._host.config.host.public_url)

    def doors(self) -> Doors:
        """Return who answers whom."""
        callbacks = CallbackDoor(
            desk=self.desk,
            directory=lambda: self._host.house.directory,
            trusted_proxies=self._host.config.host.trusted_proxies,
        )
        return Doors(
            callbacks=callbacks,
            api=ApiDoor(ApiContext(host=self._host, services=self)),
            operations=self.operations(),
        )

    def operations(self) -> Operations:
        """Return what answers those who look after this process."""
        settings = self._host.config.host
        readiness = Readiness(
            engines=self._host.engines,
            clock=self._host.clock,
            inside=self._problems,
            wrote_lately=self.desk.wrote_lately,
        )
        return Operations(
            problems=readiness.problems,
            metrics=self.metrics.text,
            access=MetricsAccess(
                token=settings.metrics_token,
                addresses=settings.metrics_allowed_addresses,
                trusted_proxies=settings.trusted_proxies,
            ),
        )

    def _problems(self) -> Iterator[Problem]:
        """Say what is wrong with the parts of this process."""
        if not self.desk.is_alive:
            yield Problem(code="desk_stopped", detail="A thread that books payments has ended.")
        elif (seconds := self.desk.busy_seconds()) > _STUCK_SECONDS:
            detail = f"The thread that books payments is stuck since {seconds:.0f} s."
            yield Problem(code="desk_stuck", detail=detail)
        if self._work is not None and (problem := self._work.problem()):
            yield Problem(code="workers", detail=f"No work is carried out: {problem}.")
        if self._housekeeper.ident is not None and not self._housekeeper.is_alive():
            detail = "The thread that notices what other processes change has ended."
            yield Problem(code="housekeeper_stopped", detail=detail)

    def begin_stop(self) -> None:
        """Begin no further background work; returns at once, `close` comes later."""
        self._stopping.set()
        if self._work is not None:
            self._work.begin_stop()

    def close(self) -> None:
        """Finish what is in hand: first the workers, then the desk."""
        self.begin_stop()
        if self._housekeeper.is_alive():
            self._housekeeper.join()
        if self._work is not None:
            self._work.stop()
        self.desk.close()
