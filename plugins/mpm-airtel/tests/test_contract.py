"""The whole contract of the plugin, tested against its own simulator."""

from __future__ import annotations

from mpm_core.testing import TelecomContract


class TestAirtelContract(TelecomContract):
    plugin = "airtel"
