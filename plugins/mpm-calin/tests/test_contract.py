"""The whole contract of the plugin, tested against its own simulator."""

from __future__ import annotations

from mpm_core.testing import ManufacturerContract


class TestCalinContract(ManufacturerContract):
    plugin = "calin"
    serial = "47000124512"
