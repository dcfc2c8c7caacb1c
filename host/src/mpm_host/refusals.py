"""Refusals of the services: one stable code per fact, and one plain sentence.

The codes are the public interface's; HTTP answers and import reports carry them unchanged.
"""

from __future__ import annotations

from enum import StrEnum

from mpm_core import UserError

__all__ = ["RefusalCode", "ServiceRefused"]


class RefusalCode(StrEnum):
    """Why a service refused: one word for one fact, stable for ever."""

    # what was asked for does not exist, or not in this company
    UNKNOWN_CLUSTER = "unknown_cluster"
    UNKNOWN_MINI_GRID = "unknown_mini_grid"
    UNKNOWN_VILLAGE = "unknown_village"
    UNKNOWN_CUSTOMER = "unknown_customer"
    UNKNOWN_TARIFF = "unknown_tariff"
    UNKNOWN_APPLIANCE = "unknown_appliance"
    UNKNOWN_SERIAL = "unknown_serial"
    UNKNOWN_PAYMENT = "unknown_payment"
    UNKNOWN_COMPANY = "unknown_company"
    UNKNOWN_DEVICE = "unknown_device"
    UNKNOWN_SALE = "unknown_sale"
    UNKNOWN_ROW = "unknown_row"
    UNKNOWN_PUSH = "unknown_push"
    UNKNOWN_IMPORT = "unknown_import"
    # a value cannot be right
    NAME_INVALID = "name_invalid"
    PHONE_INVALID = "phone_invalid"
    SERIAL_INVALID = "serial_invalid"
    AMOUNT_INVALID = "amount_invalid"
    DATE_INVALID = "date_invalid"
    KIND_INVALID = "kind_invalid"
    CUSTOMER_INVALID = "customer_invalid"
    DETAILS_INVALID = "details_invalid"
    TARIFF_INVALID = "tariff_invalid"
    # something is missing, or given where it has no place
    VILLAGE_REQUIRED = "village_required"
    TARIFF_REQUIRED = "tariff_required"
    TARIFF_FORBIDDEN = "tariff_forbidden"
    APPLIANCE_REQUIRED = "appliance_required"
    APPLIANCE_FORBIDDEN = "appliance_forbidden"
    DEVICE_REQUIRED = "device_required"
    DEVICE_FORBIDDEN = "device_forbidden"
    PAYMENT_TARGET_INVALID = "payment_target_invalid"
    TERMS_INVALID = "terms_invalid"
    # it does not fit what is there
    NAME_TAKEN = "name_taken"
    DUPLICATE_SERIAL = "duplicate_serial"
    DEVICE_OWNED = "device_owned"
    KIND_MISMATCH = "kind_mismatch"
    SALE_DELETED = "sale_deleted"
    PLAN_OPEN = "plan_open"
    PUSH_OPEN = "push_open"
    DOWN_PAYMENT_HANDED_OVER = "down_payment_handed_over"
    PAYMENT_OPEN = "payment_open"
    BALANCE_OPEN = "balance_open"
    PLUGIN_NOT_ENABLED = "plugin_not_enabled"
    DEVICE_KIND_UNSUPPORTED = "device_kind_unsupported"
    # only an import can meet these
    COLUMNS_INVALID = "columns_invalid"
    TOO_MANY_ROWS = "too_many_rows"
    VALUE_MISSING = "value_missing"
    DUPLICATE_ROW = "duplicate_row"
    CUSTOMER_DIFFERS = "customer_differs"
    TARIFF_DIFFERS = "tariff_differs"


class ServiceRefused(UserError):
    """A service did nothing, because what it was asked for is wrong.

    Args:
        code: a `RefusalCode`, or a code of mpm_core such as `count_invalid`.
        message: what is wrong, with which value, and what to do; no whole phone number.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
