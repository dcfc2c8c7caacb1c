"""What the contained dispatch costs: a routed pure call against `pm.hook` with one implementation.

Both sides call the same method of the same object in the same run, so the ratio does not depend on
the machine. The plain side gets its context ready-made and contains, checks and routes nothing.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from types import MappingProxyType

import attrs
import pluggy

from mpm_core import (
    CallContext,
    Company,
    Decision,
    DeviceKind,
    InboundCall,
    Manifest,
    PluginKind,
    PluginRuntime,
    Reply,
    Verdict,
    hookimpl,
    hookspecs,
)
from mpm_core.company_plugins import CompanyPlugins, load_instance
from mpm_core.outbound import OutboundClient

__all__ = ["dispatch_ratio"]

_NOW = datetime(2026, 3, 10, tzinfo=UTC)
_REPLY = Reply(content_type="text/plain", body=b"ok")
_CALL = InboundCall(
    method="POST", path="c2b", headers=MappingProxyType({}), body=b"{}", source="10.0.0.1"
)
_VERDICT = Verdict(decision=Decision.ACCEPTED)


@attrs.frozen(kw_only=True)
class _NoSettings:
    """Nothing to set."""


class _Plugin:
    manifest = Manifest(
        kind=PluginKind.MANUFACTURER,
        title="Benchmark",
        settings_class=_NoSettings,
        device_kinds=frozenset({DeviceKind.METER}),
    )

    def __init__(self, settings: _NoSettings, runtime: PluginRuntime) -> None:
        del settings, runtime

    @hookimpl
    def mpm_write_reply(
        self,
        call: InboundCall,
        request: None,
        verdict: Verdict,
        context: CallContext,
    ) -> Reply:
        """Answer at once."""
        del call, request, verdict, context
        return _REPLY


def dispatch_ratio(*, calls: int = 1_000, rounds: int = 200) -> float:
    """Return the cost of one dispatched call in plain hook calls; the target is at most 2.

    Args:
        calls: of each side per round.
        rounds: alternating; the fastest round of each side counts, so many short ones find a quiet
            moment on a busy machine.
    """
    company = Company(slug="bench", name="b", country="UG", currency="UGX", timezone="UTC")
    runtime = PluginRuntime(company=company, instance="one", http=OutboundClient(allowed_hosts=()))
    loaded = load_instance(
        _Plugin,
        _NoSettings(),
        runtime,
        name="one",
        plugin_name="bench",
        distribution="mpm-bench",
        version="1",
    )
    dispatch = CompanyPlugins(company, [loaded], clock=lambda: _NOW)
    manager = pluggy.PluginManager(hookspecs.PROJECT_NAME)
    manager.add_hookspecs(hookspecs)
    manager.register(loaded.instance)
    context = CallContext(
        company="bench", instance="one", correlation_id="c", now=_NOW, deadline=5.0
    )

    def dispatched() -> object:
        return dispatch.write_reply("one", _CALL, None, _VERDICT, correlation_id="c")

    def plain() -> object:
        return manager.hook.mpm_write_reply(
            call=_CALL, request=None, verdict=_VERDICT, context=context
        )

    pairs = [(_seconds(dispatched, calls), _seconds(plain, calls)) for _ in range(rounds)]
    return min(pair[0] for pair in pairs) / min(pair[1] for pair in pairs)


def _seconds(action: Callable[[], object], calls: int) -> float:
    return timeit.timeit(action, number=calls)
