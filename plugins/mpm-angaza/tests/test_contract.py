"""Every rule of the contract, checked against our own simulator."""

from __future__ import annotations

from mpm_core.testing import ManufacturerContract


class TestAngazaContract(ManufacturerContract):
    plugin = "angaza"
