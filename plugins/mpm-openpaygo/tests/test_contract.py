"""The whole contract of the plugin, tested against its own simulator."""

from __future__ import annotations

from mpm_core.testing import ManufacturerContract
from mpm_openpaygo.plugin import OpenPaygo


class TestOpenPaygoContract(ManufacturerContract):
    plugin = "openpaygo"
    details = OpenPaygo.manifest.example_details
