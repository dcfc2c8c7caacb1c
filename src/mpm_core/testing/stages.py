"""A stage: one instance of the plugin, made as the host makes it, in front of its own simulator."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

from mpm_core.company_plugins import CompanyPlugins, DispatchLimits, load_instance
from mpm_core.company_plugins.circuit import CircuitLimits
from mpm_core.errors import MpmError
from mpm_core.outbound import OutboundClient
from mpm_core.runtime import Company, PluginRuntime
from mpm_core.secrets import Secret
from mpm_core.settings import SettingsPlace, describe, read_settings
from mpm_core.simulation import GrantCounter, Simulator
from mpm_core.testing.cases import Case
from mpm_core.testing.front import Exchange, Front
from mpm_core.testing.rules import RuleBroken
from mpm_core.testing.subjects import Subject
from mpm_core.testing.values import fingerprint, shown

__all__ = ["DEADLINE", "GRACE", "SHORT", "Outcome", "Stage", "open_stage"]

DEADLINE = 10.0
SHORT = 0.7  # seconds, for vendors that never answer
GRACE = 0.4
_CLOSED_PORT = "http://127.0.0.1:9"  # discard: nobody listens there
_NEVER_OPENS = CircuitLimits(failures=10**9, refused_devices=10**9)
_ORIGIN_PARTS = 3


@attrs.frozen(kw_only=True, eq=False)
class Outcome:
    """What became of one hook call.

    Attributes:
        hook: which was called.
        answer: what it returned.
        error: what it raised instead, as the host sees it.
        exchanges: the requests it made.
        gained: how often the vendor gave a device something new meanwhile.
        seconds: how long the caller waited.
        changed: an argument that the call changed; empty if none.
    """

    hook: str
    answer: Any = None
    error: MpmError | None = None
    exchanges: tuple[Exchange, ...] = ()
    gained: int = 0
    seconds: float = 0.0
    changed: str = ""

    @property
    def effects(self) -> int:
        """How many requests with an effect it made."""
        return sum(exchange.effect for exchange in self.exchanges)

    def __str__(self) -> str:
        """Return what happened, for people: `NotSent: …`, `a Grant of 7600 Wh`."""
        if self.error is not None:
            return f"{type(self.error).__name__}: {self.error}"
        return shown(self.answer)


@attrs.define(kw_only=True, eq=False)
class Stage:
    """A plugin's instance, its simulator, and the door between them."""

    case: Case
    simulator: Simulator
    front: Front
    plugins: CompanyPlugins
    company: Company
    instance: str
    raw: Mapping[str, object]
    settings: object
    now: datetime
    serials: set[str]
    _numbers: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))

    @property
    def subject(self) -> Subject:
        """The plugin."""
        return self.case.subject

    @property
    def plugin(self) -> object:
        """The plugin's object."""
        return self.plugins.instance(self.instance).instance

    def deliver(self, serial: str) -> None:
        """Make a device known to the simulated vendor."""
        self.serials.add(serial)
        self.front.changing.add(serial)
        self.simulator.knows(serial)

    def grants(self) -> int:
        """Return how often the simulated vendor gave any device something new."""
        return _gained(self.simulator, self.serials)

    def call(self, hook: str, **arguments: object) -> Outcome:
        """Call one hook through the host's own dispatch, whatever comes of it."""
        first, had = len(self.front.exchanges), self.grants()
        before = fingerprint(arguments)
        answer, error = None, None
        started = time.monotonic()
        try:
            answer = self.plugins.call_hook(
                self.instance, hook, f"kit-{next(self._numbers)}", arguments
            )
        except MpmError as raised:
            error = raised
        return Outcome(
            hook=hook,
            answer=answer,
            error=error,
            exchanges=tuple(self.front.exchanges[first:]),
            gained=self.grants() - had,
            seconds=time.monotonic() - started,
            changed="" if fingerprint(arguments) == before else ", ".join(arguments),
        )

    def restart(self, *, deadline: float = 0.0) -> None:
        """Replace the instance by a new one with the same settings, as a new process would."""
        self.plugins.close()
        self.plugins = _make_plugins(
            self.case,
            self.company,
            self.instance,
            self.settings,
            deadline=deadline or self.plugins.instance(self.instance).manifest.deadline,
            clock=lambda: self.now,
        )


@contextlib.contextmanager
def open_stage(  # noqa: PLR0913 - each says how this stage differs from the usual one
    case: Case,
    *,
    slug: str = "umeme",
    instance: str = "",
    deadline: float = DEADLINE,
    skew: timedelta = timedelta(0),
    reachable: bool = True,
    changes: Mapping[str, object] | None = None,
    currency: str = "",
) -> Iterator[Stage]:
    """Make a simulator, settings for it and an instance.

    Args:
        case: whose plugin.
        slug: of the company.
        instance: name of the instance; the plugin's if not given.
        deadline: seconds for a vendor call.
        skew: how far our clock is ahead of the vendor's.
        reachable: whether anybody listens at the vendor's address.
        changes: raw settings that replace the simulator's.
        currency: of the company, if another than the case's.

    Raises:
        RuleBroken: the plugin cannot be made from its own simulator's settings.
    """
    subject = case.subject
    company = _company(subject, slug, currency)
    simulator = subject.simulator()
    serials: set[str] = set()
    front = Front(simulator, lambda: _gained(simulator, serials))
    base_url = case.workshop.add(front) if reachable else f"{_CLOSED_PORT}/kit"
    raw = {**simulator.settings(base_url), **(changes or {})}
    name = instance or subject.name
    settings = _read(subject, raw, company, name)
    stage = Stage(
        case=case,
        simulator=simulator,
        front=front,
        plugins=CompanyPlugins(company, (), clock=lambda: datetime.now(UTC)),
        company=company,
        instance=name,
        raw=raw,
        settings=settings,
        now=datetime.now(UTC) + skew,
        serials=serials,
    )
    stage.plugins = _make_plugins(
        case, company, name, settings, deadline=deadline, clock=lambda: stage.now
    )
    try:
        yield stage
    finally:
        stage.plugins.close()


def _company(subject: Subject, slug: str, currency: str) -> Company:
    return Company(
        slug=slug,
        name=f"{slug.title()} Ltd",
        country=subject.country,
        currency=currency or subject.currency,
        timezone="Africa/Dar_es_Salaam",
    )


def _read(subject: Subject, raw: Mapping[str, object], company: Company, name: str) -> object:
    place = SettingsPlace(company=company.slug, instance=name, plugin=subject.name)
    try:
        return read_settings(
            subject.manifest.settings_class, raw, place=place, environ={}, folder=Path()
        )
    except MpmError as error:
        raise RuleBroken(
            f"the settings its own simulator returns are refused: {error}",
            write="return from the simulator's `settings` what an instance of it needs.",
        ) from None


def _make_plugins(  # noqa: PLR0913 - a company's plugins are the sum of these
    case: Case,
    company: Company,
    name: str,
    settings: object,
    *,
    deadline: float,
    clock: Any,  # noqa: ANN401 - see below
) -> CompanyPlugins:
    subject = case.subject
    http = OutboundClient(
        allowed_hosts=_allowed(subject, settings),
        allow_plain_http=True,
        allow_private_addresses=True,
        connect_timeout=min(5.0, deadline),
    )
    loaded = load_instance(
        subject.plugin_class,
        settings,
        PluginRuntime(company=company, instance=name, http=http),
        name=name,
        plugin_name=subject.name,
        distribution=subject.distribution,
        version=subject.version,
    )
    return CompanyPlugins(
        company,
        [attrs.evolve(loaded, manifest=attrs.evolve(subject.manifest, deadline=deadline))],
        clock=clock,
        limits=DispatchLimits(grace=GRACE, circuit=_NEVER_OPENS),
    )


def _allowed(subject: Subject, settings: object) -> tuple[str, ...]:
    """Return the origins of the settings the manifest names, as the host allows them."""
    urls = [getattr(settings, name) for name in subject.manifest.url_settings]
    return tuple("/".join(url.split("/")[:_ORIGIN_PARTS]) for url in urls if url)


def _gained(simulator: Simulator, serials: set[str]) -> int:
    if not isinstance(simulator, GrantCounter):
        return 0
    return sum(simulator.grants(serial) for serial in tuple(serials))


def secrets_of(subject: Subject, settings: object) -> tuple[str, ...]:
    """Return the texts of all secret settings."""
    values = [
        getattr(settings, description.name)
        for description in describe(subject.manifest.settings_class)
    ]
    return tuple(value.reveal() for value in values if isinstance(value, Secret) and value)
