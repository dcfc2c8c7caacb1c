"""Why a change of companies or their plugins is refused: codes of `ServiceRefused`."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["CompanyCode"]


class CompanyCode(StrEnum):
    """One word for one fact, stable for ever."""

    MANAGED_BY_CONFIGURATION = "managed_by_configuration"
    UNKNOWN_INSTANCE = "unknown_instance"
    SLUG_TAKEN = "slug_taken"
    SLUG_INVALID = "slug_invalid"
    COMPANY_INVALID = "company_invalid"
    INSTANCE_NAME_INVALID = "instance_name_invalid"
    CURRENCY_IN_USE = "currency_in_use"
    INSTANCE_IN_USE = "instance_in_use"
    INSTANCE_NOT_IN_USE = "instance_not_in_use"
    CHANGED_MEANWHILE = "changed_meanwhile"
