"""Why nobody may pay for a device whatever the amount: its manufacturer does not stand by it."""

from __future__ import annotations

from mpm_core import DeviceMapping, Objection, ReasonCode
from mpm_host.directory import CompanyRecord
from mpm_host.payments.customer_accounts import OwnedDevice

__all__ = ["mapping_objection"]


def mapping_objection(company: CompanyRecord, device: OwnedDevice) -> Objection | None:
    """Refuse a device that is not mapped, where the company demands it.

    Money that a telecom has taken all the same is booked as the rules of *process* say.
    """
    if not company.demand_mapping or device.mapping is DeviceMapping.MAPPED:
        return None
    return Objection(
        code=ReasonCode.DEVICE_NOT_MAPPED,
        message=f"The manufacturer has not confirmed device {device.serial} "
        f"({device.mapping.value}), and the company demands that.",
    )
