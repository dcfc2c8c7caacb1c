"""The services of a running host: the desk, the workers and the web application, wired together."""

from __future__ import annotations

import threading
from datetime import timedelta

import sqlalchemy as sa
import structlog
from litestar import Litestar

from mpm_host.actions.payment_actions import PaymentActions, look_after
from mpm_host.host import Host
from mpm_host.messages.message_sender import MessageSender
from mpm_host.orders.order_worker import OrderWorker
from mpm_host.orders.switching import Switcher
from mpm_host.payments.access_accrual import AccessAccrual
from mpm_host.payments.cash_desk import CashDesk
from mpm_host.payments.payment_desk import PaymentDesk
from mpm_host.payments.token_desk import TokenDesk
from mpm_host.registration.device_lookup import DeviceLookup
from mpm_host.web.api.door import ApiDoor
from mpm_host.web.api.operation import ApiContext
from mpm_host.web.application import make_application
from mpm_host.web.callbacks import CallbackDoor
from mpm_host.work import Work, WorkLimits

__all__ = ["Services"]

_LOG = structlog.get_logger(__name__)
_LIMITS = WorkLimits()
_RELOAD_SECONDS = 2.0
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
        self.messages = MessageSender(
            engines=host.engines,
            vault=host.vault,
            clock=host.clock,
            directory=lambda: host.house.directory,
            plugins_of=host.house.plugins_of,
        )
        self.desk = PaymentDesk(
            engines=host.engines,
            vault=host.vault,
            clock=host.clock,
            directory=lambda: host.house.directory,
            plugins_of=host.house.plugins_of,
            wake=self.wake,
            note_delivery=self.messages.note_delivery,
        )
        self.orders = OrderWorker(
            engines=host.engines,
            vault=host.vault,
            clock=host.clock,
            directory=lambda: host.house.directory,
            plugins_of=host.house.plugins_of,
            wake=self.wake,
            tell_after=host.config.host.tell_after,
        )
        self.actions = PaymentActions(
            vault=host.vault,
            directory=lambda: host.house.directory,
            tell_after=host.config.host.tell_after,
        )
        self.cash = CashDesk(vault=host.vault, directory=lambda: host.house.directory)
        self.tokens = TokenDesk(vault=host.vault, directory=lambda: host.house.directory)
        self.devices = DeviceLookup(
            engines=host.engines,
            vault=host.vault,
            clock=host.clock,
            directory=lambda: host.house.directory,
            plugins_of=host.house.plugins_of,
        )
        self.switches = Switcher(
            engines=host.engines,
            vault=host.vault,
            clock=host.clock,
            directory=lambda: host.house.directory,
            plugins_of=host.house.plugins_of,
        )
        self._work = (
            Work(
                engines=host.engines,
                clock=host.clock,
                handlers={
                    "orders": self.orders.work_on,
                    "messages": self.messages.work_on,
                    "devices": self.devices.work_on,
                    "switches": self.switches.work_on,
                },
                limits=limits,
                give_up=host.house.give_up,
            )
            if workers
            else None
        )

        self._accrual = AccessAccrual(
            engines=host.engines, clock=host.clock, directory=lambda: host.house.directory
        )
        self._stopping = threading.Event()
        self._housekeeper = threading.Thread(
            target=self._keep_house, name="housekeeper", daemon=True
        )

    def start(self) -> None:
        """Start the background work; not inside a running event loop."""
        if self._work is not None:
            self._work.start()
        self._housekeeper.start()

    def _keep_house(self) -> None:
        """Notice what other processes changed, and let access rates fall due."""
        accrued_at = None
        while not self._stopping.wait(_RELOAD_SECONDS):
            try:
                self._host.house.reload()
                now = self._host.clock()
                if self._work is not None and (accrued_at is None or now - accrued_at > _HOUR):
                    accrued_at = now
                    self._accrual.run()
            except sa.exc.SQLAlchemyError as error:
                # What is in memory goes on; only the kind of error, its text may hold secrets.
                _LOG.error("housekeeping_failed", error=type(error).__name__)

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
        door = CallbackDoor(
            desk=self.desk,
            directory=lambda: self._host.house.directory,
            trusted_proxies=self._host.config.host.trusted_proxies,
        )
        return make_application(
            door=door,
            api=ApiDoor(ApiContext(host=self._host, services=self)),
            engine=self._host.engines.read,
            public_url=self._host.config.host.public_url,
        )

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
