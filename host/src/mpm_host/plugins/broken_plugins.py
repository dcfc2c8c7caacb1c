"""What cannot work although it should: told at every start, in the words of `mpm doctor`.

Nothing is tried for it: what is wrong with an instance was found when it was loaded, and stands in
the directory, where the doctor reads it too.
"""

from __future__ import annotations

import attrs
import structlog

from mpm_host.plugins.plugin_house import PluginHouse
from mpm_host.plugins.plugin_views import PluginStatus, plugin_rows

__all__ = ["BrokenPlugin", "broken_plugins", "warn_of_broken_plugins"]

_LOG = structlog.get_logger(__name__)


@attrs.frozen(kw_only=True)
class BrokenPlugin:
    """An instance that does not work, or a plugin that is allowed and not installed.

    Attributes:
        company: the slug of the instance's company; empty for a plugin that no instance uses.
        instance: its name; empty for the same.
        problem: what is wrong, with which value, and what to do; one line.
    """

    plugin: str
    problem: str
    company: str = ""
    instance: str = ""

    def __str__(self) -> str:
        """Return the line that `mpm doctor` has for it."""
        return f"{self.company}/{self.instance}: {self.problem}" if self.instance else self.problem


def broken_plugins(house: PluginHouse) -> tuple[BrokenPlugin, ...]:
    """Return what cannot work, instances first; those of other companies are not touched by it."""
    companies = sorted(house.directory.companies.values(), key=lambda each: each.company.slug)
    instances = [
        BrokenPlugin(
            company=company.company.slug,
            instance=record.name,
            plugin=record.plugin,
            problem=record.problem,
        )
        for company in companies
        for record in house.directory.instances_of(company.id)
        if record.problem
    ]
    missing = [
        BrokenPlugin(plugin=row.name, problem=row.problem)
        for row in plugin_rows(house.catalog, house.directory)
        if row.status is PluginStatus.MISSING and not row.used_by
    ]
    return (*instances, *missing)


def warn_of_broken_plugins(house: PluginHouse) -> None:
    """Log one warning for each: who starts a process hears of it before the first telecom does."""
    for each in broken_plugins(house):
        whose = {"company": each.company, "instance": each.instance} if each.instance else {}
        event = "instance_broken" if each.instance else "plugin_missing"
        _LOG.warning(event, **whose, plugin=each.plugin, problem=each.problem)
