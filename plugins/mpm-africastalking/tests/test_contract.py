"""The whole contract of the plugin, tested against its own simulator."""

from __future__ import annotations

from mpm_core.testing import MessengerContract


class TestAfricasTalkingContract(MessengerContract):
    plugin = "africastalking"
