"""Asking a company's plugins whether a payment may be made: before money moves, never after."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from mpm_core import Device, Objection, ReasonCode, ValidationRequest
from mpm_core.company_plugins import Asked
from mpm_host.directory import InstanceRecord
from mpm_host.payments.quotes import Quoted, load_device
from mpm_host.resources import Resources

__all__ = ["PluginObjections"]

_HOOK = "mpm_validate_payment"


@attrs.frozen
class PluginObjections:
    """Asks every enabled instance that wants to be asked.

    Args:
        resources: of the installation.
    """

    _resources: Resources

    def askable(self, instance: InstanceRecord, quoted: Quoted) -> frozenset[str]:
        """Return the names of the instances to ask about a quoted payment; asks no database."""
        if quoted.device_id is None or quoted.quote is None:
            return frozenset()
        plugins = self._resources.plugins_of(instance.company_id)
        return frozenset(
            record.name
            for record in self._resources.directory().instances_of(instance.company_id)
            if record.takes_new_work and plugins.has_hook(record.name, _HOOK)
        )

    def ask(
        self,
        names: frozenset[str],
        instance: InstanceRecord,
        request: ValidationRequest,
        quoted: Quoted,
        *,
        correlation_id: str,
    ) -> Objection | None:
        """Ask; the first objection in the order of names counts.

        Args:
            names: of the instances, from `askable`; not none.
            instance: the telecom's.
            request: what is to be paid.
            quoted: what it would do.
            correlation_id: ties log lines together.
        """
        maker = self._resources.directory().instances[quoted.manufacturer_id or ""].name
        asked = self._resources.plugins_of(instance.company_id).ask_all(
            _HOOK,
            correlation_id=correlation_id,
            only=names,
            payment=request,
            device=self._read_device(instance.company_id, maker, quoted.device_id or ""),
            quote=quoted.quote,
        )
        return _first_objection(asked, essential={instance.name, maker})

    def _read_device(self, company_id: str, maker: str, device_id: str) -> Device:
        details_class = (
            self._resources.plugins_of(company_id).instance(maker).manifest.details_class
        )
        with self._resources.engines.read.connect() as connection:
            return load_device(connection, device_id, self._resources.vault, details_class)[0]


def _first_objection(asked: Sequence[Asked], *, essential: set[str]) -> Objection | None:
    """Return the first objection; a failed check counts only of the instances that matter."""
    for answer in asked:
        if isinstance(answer.answer, Objection):
            return answer.answer
        if answer.error is not None and answer.instance in essential:
            return Objection(
                code=ReasonCode.PLUGIN_UNAVAILABLE,
                message=f"The plugin {answer.instance} could not check the payment.",
            )
    return None
