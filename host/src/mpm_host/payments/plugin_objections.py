"""Asking a company's plugins whether a payment may be made: before money moves, never after."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from mpm_core import Device, Objection, ReasonCode, ValidationRequest
from mpm_core.company_plugins import Asked, CompanyPlugins
from mpm_host.database.engines import Engines
from mpm_host.directory import Directory, InstanceRecord
from mpm_host.encryption import Vault
from mpm_host.payments.quotes import Quoted, load_device

__all__ = ["PluginObjections"]

_HOOK = "mpm_validate_payment"


@attrs.frozen(kw_only=True)
class PluginObjections:
    """Asks every enabled instance that wants to be asked.

    Attributes:
        engines: of the database.
        vault: decrypts the device's details.
        directory: returns companies and instances as they are now.
        plugins_of: one company's loaded plugins.
    """

    engines: Engines
    vault: Vault
    directory: Callable[[], Directory]
    plugins_of: Callable[[str], CompanyPlugins]

    def askable(self, instance: InstanceRecord, quoted: Quoted) -> frozenset[str]:
        """Return the names of the instances to ask about a quoted payment; asks no database."""
        if quoted.device_id is None or quoted.quote is None:
            return frozenset()
        plugins = self.plugins_of(instance.company_id)
        return frozenset(
            record.name
            for record in self.directory().instances_of(instance.company_id)
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
        maker = self.directory().instances[quoted.manufacturer_id or ""].name
        asked = self.plugins_of(instance.company_id).ask_all(
            _HOOK,
            correlation_id=correlation_id,
            only=names,
            payment=request,
            device=self._read_device(instance.company_id, maker, quoted.device_id or ""),
            quote=quoted.quote,
        )
        return _first_objection(asked, essential={instance.name, maker})

    def _read_device(self, company_id: str, maker: str, device_id: str) -> Device:
        details_class = self.plugins_of(company_id).instance(maker).manifest.details_class
        with self.engines.read.connect() as connection:
            return load_device(connection, device_id, self.vault, details_class)[0]


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
