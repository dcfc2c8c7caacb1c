"""Which instances are left alone for a while because their vendor fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from mpm_host.plugins.plugin_house import PluginHouse

__all__ = ["Circuits"]


class Circuits(Collector):
    """Reads the circuits of this process; each process has its own.

    Args:
        house: the plugins.
    """

    def __init__(self, house: PluginHouse) -> None:
        self._house = house

    def describe(self) -> Iterable[Metric]:
        """Say nothing beforehand."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Return one figure per loaded instance."""
        gauge = GaugeMetricFamily(
            "mpm_circuit_open",
            "1 while an instance is left alone, because its vendor fails.",
            labels=("company", "instance"),
        )
        for company_id, record in self._house.directory.companies.items():
            plugins = self._house.plugins_of(company_id)
            for name in plugins.names:
                is_open = bool(plugins.circuit_reason(name))
                gauge.add_metric((record.company.slug, name), is_open)
        yield gauge
