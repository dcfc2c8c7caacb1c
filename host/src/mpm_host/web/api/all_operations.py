"""Every operation of the API, in the order of its description."""

from __future__ import annotations

from mpm_host.web.api import places
from mpm_host.web.api.operation import Operation

__all__ = ["OPERATIONS"]

OPERATIONS: tuple[Operation, ...] = (*places.OPERATIONS,)
