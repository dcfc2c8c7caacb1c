"""One company's loaded instances, and the only place that calls their hooks.

Pure hooks run in the caller's thread. The others run in their instance's own pool with the call's
deadline, behind its circuit. Every error that leaves is one of `mpm_core.errors`, says whose call
it was, and is logged as one line; nothing a plugin does reaches another instance or the host.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Never

import attrs
import pluggy

from mpm_core import hookspecs
from mpm_core.calls import CallContext
from mpm_core.company_plugins.answer_checks import check_of
from mpm_core.company_plugins.containment import Route, call_contained, close_failure, note_answer
from mpm_core.company_plugins.frozen_arguments import frozen
from mpm_core.company_plugins.hook_rules import HOOK_RULES
from mpm_core.company_plugins.plugin_instances import LoadedInstance, PluginIdentity, load_instance
from mpm_core.company_plugins.typed_calls import OnLate, TypedCalls
from mpm_core.company_plugins.vendor_calls import DispatchLimits, VendorCall, VendorCalls
from mpm_core.effects import PURE_CALL
from mpm_core.errors import Misconfigured, MpmError, NotSupported, PluginLoadError
from mpm_core.runtime import Company

__all__ = [
    "Asked",
    "CompanyPlugins",
    "DispatchLimits",
    "LoadedInstance",
    "PluginIdentity",
    "load_instance",
]

_LOG = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class Asked:
    """What one instance said to a question put to all; both are `None` when it had no objection.

    Attributes:
        instance: its name.
        answer: what it answered.
        error: what became of its call, if that failed.
    """

    instance: str
    answer: Any = None
    error: MpmError | None = None


class CompanyPlugins(TypedCalls):
    """The instances of one company; safe to use from several threads.

    Args:
        company: whose they are.
        instances: loaded before, with names of their own.
        clock: aware; what hooks see as *now*.
        monotonic: seconds, for measuring and for circuits.
        limits: of deadlines and circuits.

    Raises:
        PluginLoadError: an instance's hooks do not fit the contract.
    """

    def __init__(
        self,
        company: Company,
        instances: Iterable[LoadedInstance],
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        limits: DispatchLimits | None = None,
    ) -> None:
        self._company = company
        self._clock = clock
        self._monotonic = monotonic
        self._limits = limits or DispatchLimits()
        self._instances = {loaded.name: loaded for loaded in sorted(instances, key=_name_of)}
        self._manager = pluggy.PluginManager(hookspecs.PROJECT_NAME)
        self._manager.add_hookspecs(hookspecs)
        for loaded in self._instances.values():
            _register(self._manager, loaded)
        self._routes = {
            (route.loaded.name, route.hook): route
            for hook in HOOK_RULES
            for route in _routes(self._manager, hook, self._instances)
        }
        self._vendors = {
            name: VendorCalls(loaded, limits=self._limits, clock=clock, monotonic=monotonic)
            for name, loaded in self._instances.items()
        }

    def call(
        self,
        instance: str,
        hook: str,
        *,
        correlation_id: str,
        on_late: OnLate | None = None,
        **arguments: object,
    ) -> Any:  # noqa: ANN401 - the hook decides; the typed facade states it
        """Call one hook of one instance and return its checked answer.

        Args:
            instance: its name.
            hook: its name.
            correlation_id: ties log lines and attempts of one payment together.
            on_late: hears the answer, or the `MpmError`, that came after this call gave up; called
                once at most, in the plugin's thread.
            arguments: those of the hook's specification, without the context.

        Raises:
            Misconfigured: no such instance is loaded.
            NotSupported: the instance does not implement the hook.
            MpmError: what the plugin raised, or what became of its failure; with `attribution`.
            TypeError: the host gave other arguments than the specification has.
        """
        _check_arguments(hook, arguments)
        return self.call_hook(instance, hook, correlation_id, arguments, on_late)

    def call_hook(
        self,
        instance: str,
        hook: str,
        correlation_id: str,
        arguments: Mapping[str, object],
        on_late: OnLate | None = None,
    ) -> Any:  # noqa: ANN401 - the hook decides; the typed facade states it
        """Do what `call` does, for a mapping of arguments that surely are the hook's."""
        route = self._routes.get((instance, hook)) or self._no_route(instance, hook)
        given: dict[str, object] = {}
        for name, value in arguments.items():  # no comprehension: its frame costs as much
            given[name] = frozen(value)
        if route.wants_context:
            given["context"] = CallContext(
                company=self._company.slug,
                instance=instance,
                correlation_id=correlation_id,
                now=self._clock(),
                deadline=route.deadline,
            )
        started = self._monotonic()
        try:
            if route.rule.pure:
                answer = call_contained(route, PURE_CALL, given)
                self._note_slowness(route, correlation_id, self._monotonic() - started)
                return answer
            call = VendorCall(route=route, arguments=given, correlation_id=correlation_id)
            answer = self._vendors[instance].run(call, on_late=on_late)
        except MpmError as error:
            close_failure(route, correlation_id, error, self._monotonic() - started)
            raise
        note_answer(route, correlation_id, answer, self._monotonic() - started)
        return answer

    def ask_all(
        self,
        hook: str,
        *,
        correlation_id: str,
        only: Collection[str] | None = None,
        **arguments: object,
    ) -> tuple[Asked, ...]:
        """Ask every instance that implements a hook, in the order of instance names.

        Args:
            hook: its name.
            correlation_id: as for `call`.
            only: names of the instances to ask; all by default.
            arguments: of the hook.
        """
        _check_arguments(hook, arguments)
        return tuple(
            self._ask(name, hook, correlation_id, arguments)
            for name in self._instances
            if self.has_hook(name, hook) and (only is None or name in only)
        )

    def tell_all(
        self, hook: str, *, correlation_id: str, **arguments: object
    ) -> tuple[MpmError, ...]:
        """Tell every instance that implements a hook; their errors are logged and returned."""
        _check_arguments(hook, arguments)
        told = (
            self._ask(name, hook, correlation_id, arguments)
            for name in self._instances
            if self.has_hook(name, hook)
        )
        return tuple(asked.error for asked in told if asked.error is not None)

    def has_hook(self, instance: str, hook: str) -> bool:
        """Tell whether an instance implements a hook."""
        return (instance, hook) in self._routes

    def instance(self, name: str) -> LoadedInstance:
        """Return a loaded instance.

        Raises:
            Misconfigured: no such instance is loaded.
        """
        try:
            return self._instances[name]
        except KeyError:
            raise Misconfigured(
                f"Company {self._company.slug} has no instance {name} loaded; enable it or choose "
                f"another. Nothing was called."
            ) from None

    def circuit_reason(self, name: str) -> str:
        """Return why an instance is left alone at the moment; nothing while it is not."""
        return self._vendors[name].circuit_reason

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the instances, in order."""
        return tuple(self._instances)

    def close(self) -> None:
        """Begin no further vendor calls; those under way end by themselves."""
        for vendor in self._vendors.values():
            vendor.close()

    def give_up(self) -> None:
        """Do what `close` does, and let callers go on as if every deadline had passed."""
        for vendor in self._vendors.values():
            vendor.give_up()

    def _no_route(self, instance: str, hook: str) -> Never:
        loaded = self.instance(instance)
        raise NotSupported(
            f"Plugin {loaded.plugin}, instance {instance} of company {self._company.slug} has no "
            f"{hook}. Nothing was called."
        )

    def _ask(
        self, instance: str, hook: str, correlation_id: str, arguments: Mapping[str, object]
    ) -> Asked:
        try:
            answer = self.call_hook(instance, hook, correlation_id, arguments)
        except MpmError as error:
            return Asked(instance=instance, error=error)
        return Asked(instance=instance, answer=answer)

    def _note_slowness(self, route: Route, correlation_id: str, seconds: float) -> None:
        if seconds > self._limits.slow_pure_hook:
            _LOG.warning(
                "slow_pure_hook seconds=%.3f %s", seconds, route.attribution(correlation_id)
            )


def _check_arguments(hook: str, arguments: Mapping[str, object]) -> None:
    """Refuse what pluggy would drop or miss without a word: a mistake of the host."""
    if hook not in HOOK_RULES:
        raise LookupError(f"{hook} is not a hook of the contract.")
    specification = getattr(hookspecs, hook)
    expected = set(inspect.signature(specification).parameters) - {"context"}
    if arguments.keys() != expected:
        raise TypeError(f"{hook} takes exactly {', '.join(sorted(expected))}.")


def _name_of(loaded: LoadedInstance) -> str:
    return loaded.name


def _register(manager: pluggy.PluginManager, loaded: LoadedInstance) -> None:
    try:
        manager.register(loaded.instance, name=loaded.name)
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        raise PluginLoadError(
            f"Plugin {loaded.plugin}, instance {loaded.name} of company {loaded.company.slug} does "
            f"not fit the contract: {error}"
        ) from None


def _routes(
    manager: pluggy.PluginManager, hook: str, instances: Mapping[str, LoadedInstance]
) -> Iterable[Route]:
    caller = getattr(manager.hook, hook)
    for implementation in caller.get_hookimpls():
        loaded = instances[implementation.plugin_name]
        if implementation.hookwrapper or implementation.wrapper:
            raise PluginLoadError(
                f"Plugin {loaded.plugin}: {hook} is a wrapper; write `@hookimpl` without arguments."
            )
        yield Route(
            loaded=loaded,
            hook=hook,
            rule=HOOK_RULES[hook],
            function=implementation.function,
            argument_names=tuple(implementation.argnames),
            deadline=loaded.manifest.deadline,
            wants_context="context" in implementation.argnames,
            check=check_of(hook, loaded.manifest.token_pattern, loaded.company.currency),
        )
