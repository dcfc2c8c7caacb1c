"""The scene of the crash tests: manufacturers that survive, customers, and a host to be killed."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import sqlalchemy as sa

from mpm_africastalking.simulator import AfricasTalkingSimulator
from mpm_airtel.simulator import AirtelSimulator
from mpm_angaza.simulator import AngazaSimulator
from mpm_calin.simulator import CalinSimulator
from mpm_core import SimulatedReply, SimulatedRequest, Simulator
from mpm_core.simulation.server import serve
from mpm_daly.simulator import DalySimulator
from mpm_host.database import tables as t
from mpm_host.encryption import new_key
from mpm_host.host import Host
from mpm_openpaygo.simulator import OpenPaygoSimulator
from mpm_sunking.simulator import SunKingSimulator
from tests.faults.acme_makers import (
    KEYED_MAKER,
    LOOKUP_MAKER,
    KeyedSimulator,
    LookupSimulator,
)
from tests.faults.attentive_pay import AttentiveSimulator
from tests.faults.killable_host import (
    KillableHost,
    MovableClock,
    Variant,
    process_context,
    read_config,
)
from tests.faults.town import Device, Town, settle_town
from tests.support.config_text import config_text

__all__ = ["ATTENTIVE", "BLIND_MAKERS", "Distant", "Scene", "crash_scene"]

ATTENTIVE = "acme-pay"  # the telecom that pushes, wants reports and listens; a test installs it

# Every sixth device is a solar home system; neither manufacturer can be asked what it did.
BLIND_MAKERS = ("sunking", "calin", "calin", "calin", "calin", "calin")
_WITH_CLOCK: Mapping[str, Callable[..., Simulator]] = {
    "calin": CalinSimulator,
    "sunking": SunKingSimulator,
    "angaza": AngazaSimulator,
    "daly": DalySimulator,
}
_WITHOUT_CLOCK: Mapping[str, Callable[[], Simulator]] = {
    "openpaygo": OpenPaygoSimulator,
    "africastalking": AfricasTalkingSimulator,
    ATTENTIVE: AttentiveSimulator,
    KEYED_MAKER: KeyedSimulator,
    LOOKUP_MAKER: LookupSimulator,
}
_PAYMENTS_PER_DEVICE = 4
_WAY_SECONDS = 0.05
_HOLD_SECONDS = 60.0


@attrs.frozen(kw_only=True)
class Scene:
    """Everything around the host.

    Attributes:
        simulators: of manufacturers, gateways and the attentive telecom, by name.
        distant: the same as the host sees them.
    """

    host: KillableHost
    opened: Host
    clock: MovableClock
    airtel: AirtelSimulator
    airtel_settings: dict[str, object]
    simulators: Mapping[str, Any]
    distant: Mapping[str, Distant]
    town: Town
    devices: tuple[Device, ...]

    @property
    def callback_url(self) -> str:
        """Where Airtel calls."""
        return self.callback_url_of("airtel")

    def callback_url_of(self, instance: str) -> str:
        """Return where a telecom calls."""
        key = sa.select(t.instances.c.callback_key).where(t.instances.c.name == instance)
        with self.opened.engines.read.connect() as connection:
            return f"{self.host.url}/callbacks/{connection.execute(key).scalar_one()}"


class Distant:
    """A manufacturer some way off: it has minted for a while before its answer arrives.

    After `hold_answers` it mints and says nothing until `let_go`: whoever asked can be killed
    between the two for sure.
    """

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._may_answer = threading.Event()
        self._may_answer.set()
        self._holds_one = threading.Event()

    def handle(self, request: SimulatedRequest) -> SimulatedReply:
        reply = self._simulator.handle(request)
        if not self._may_answer.is_set():
            self._holds_one.set()
            self._may_answer.wait(_HOLD_SECONDS)
        return attrs.evolve(reply, delay=max(reply.delay, _WAY_SECONDS))

    def hold_answers(self) -> None:
        """Answer nobody until `let_go`."""
        self._holds_one.clear()
        self._may_answer.clear()

    def wait_until_one_is_held(self, seconds: float) -> bool:
        """Wait until something was minted whose answer is held; tell whether it was."""
        return self._holds_one.wait(seconds)

    def let_go(self) -> None:
        """Answer whoever still listens, and everybody from now on at once."""
        self._may_answer.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._simulator, name)


@contextlib.contextmanager
def crash_scene(
    folder: Path,
    database: str,
    *,
    payments: int,
    makers: Sequence[str] = BLIND_MAKERS,
    gateways: Sequence[str] = (),
    variant: Variant | None = None,
) -> Iterator[Scene]:
    """Set the scene on a database that has our tables; the host is not started yet.

    Args:
        folder: for what the host writes besides the database.
        database: its URL.
        payments: for how many there are devices enough.
        makers: the devices' manufacturers, in turn.
        gateways: besides Airtel: that send messages (without one they are only stored), and the
            attentive telecom.
        variant: makes the host worse.
    """
    clock = MovableClock(offset=process_context().Value("d", 0.0))
    airtel = AirtelSimulator(clock=clock)
    simulators = {name: _simulator(name, clock) for name in {*makers, *gateways}}
    distant = {name: Distant(simulator) for name, simulator in simulators.items()}
    with serve(distant) as simulation:
        settings = {
            name: dict(simulator.settings(simulation.base_url(name)))
            for name, simulator in simulators.items()
        }
        airtel_settings = dict(airtel.settings(""))
        text = config_text(
            database=database,
            secret_key=new_key(),
            instances={"airtel": airtel_settings, **settings},
        )
        with Host.open(read_config(text, folder), clock=clock) as opened:
            opened.reconcile()
            town = settle_town(opened, simulators)
            in_turn = itertools.islice(
                itertools.cycle(makers), -(-payments // _PAYMENTS_PER_DEVICE)
            )
            devices = tuple(town.settle(number, maker) for number, maker in enumerate(in_turn))
            host = KillableHost(
                config_text=text, folder=folder, clock=clock, port=_free_port(), variant=variant
            )
            try:
                yield Scene(
                    host=host,
                    opened=opened,
                    clock=clock,
                    airtel=airtel,
                    airtel_settings=airtel_settings,
                    simulators=simulators,
                    distant=distant,
                    town=town,
                    devices=devices,
                )
            finally:
                host.kill()


def _simulator(name: str, clock: MovableClock) -> Simulator:
    if name in _WITH_CLOCK:
        return _WITH_CLOCK[name](clock=clock)
    return _WITHOUT_CLOCK[name]()


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
