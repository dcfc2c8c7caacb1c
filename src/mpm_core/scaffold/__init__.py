"""A new plugin, written: a complete distribution that works against its own simulator at once."""

from __future__ import annotations

from mpm_core.scaffold.plans import (
    RECOVERIES,
    SOLD_FOR,
    PluginPlan,
    check_new_name,
    check_title,
    compatible_range,
)
from mpm_core.scaffold.writing import plugin_files, write_plugin

__all__ = [
    "RECOVERIES",
    "SOLD_FOR",
    "PluginPlan",
    "check_new_name",
    "check_title",
    "compatible_range",
    "plugin_files",
    "write_plugin",
]
