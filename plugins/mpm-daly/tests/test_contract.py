"""The whole contract of the plugin, tested against its own simulator."""

from __future__ import annotations

from mpm_core.testing import ManufacturerContract


class TestDalyContract(ManufacturerContract):
    plugin = "daly"
