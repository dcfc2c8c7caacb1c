"""Getting a plugin's simulator from its class, before any instance can be configured.

A simulator says which settings an instance needs to talk to it, so it must exist first.
"""

from __future__ import annotations

from mpm_core.errors import PluginLoadError
from mpm_core.simulation import Simulator

__all__ = ["simulator_of"]


def simulator_of(plugin_class: type) -> Simulator:
    """Return a fresh simulator of the other side.

    `mpm_simulator` is pure and uses neither settings nor runtime, so it is called on an instance
    that was never initialised.

    Raises:
        PluginLoadError: the plugin has none, or its hook wants an initialised instance.
    """
    hook = getattr(plugin_class, "mpm_simulator", None)
    if hook is None:
        raise PluginLoadError(
            f"{plugin_class.__name__} has no simulator; give it a hook "
            "`def mpm_simulator(self) -> Simulator`."
        )
    try:
        simulator: Simulator = hook(object.__new__(plugin_class))
    except AttributeError as error:
        raise PluginLoadError(
            f"{plugin_class.__name__}.mpm_simulator uses the instance ({error}); a simulator must "
            "not depend on settings."
        ) from error
    return simulator
