"""Roles and what each may do: one table, and everything that is not in it is forbidden."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

__all__ = ["PERMISSIONS", "Permission", "Role", "may_assign"]


class Role(StrEnum):
    """Who somebody is in a company."""

    OWNER = "owner"
    ADMIN = "admin"
    FINANCE = "finance"
    OPERATOR = "operator"
    AGENT = "agent"  # bound to one agent, sees and serves only that one's customers


class Permission(StrEnum):
    """One thing somebody may do."""

    PLACES_READ = "places.read"
    PLACES_WRITE = "places.write"
    CUSTOMERS_READ = "customers.read"
    CUSTOMERS_WRITE = "customers.write"
    CUSTOMERS_DELETE = "customers.delete"
    DEVICES_READ = "devices.read"
    DEVICES_WRITE = "devices.write"
    TARIFFS_READ = "tariffs.read"
    TARIFFS_WRITE = "tariffs.write"
    APPLIANCES_READ = "appliances.read"
    APPLIANCES_WRITE = "appliances.write"
    SALES_READ = "sales.read"
    SALES_WRITE = "sales.write"
    SALES_CHANGE = "sales.change"
    PAYMENTS_READ = "payments.read"
    PAYMENTS_TAKE = "payments.take"
    PAYMENTS_ACT = "payments.act"
    PAYMENTS_APPROVE = "payments.approve"
    TOKENS_CREATE = "tokens.create"
    MESSAGES_RESEND = "messages.resend"
    SENSITIVE_READ = "sensitive.read"
    EXPORTS_READ = "exports.read"
    IMPORTS_WRITE = "imports.write"
    AGENTS_READ = "agents.read"
    AGENTS_WRITE = "agents.write"
    AGENTS_SETTLE = "agents.settle"
    PLUGINS_READ = "plugins.read"
    PLUGINS_WRITE = "plugins.write"
    COMPANY_READ = "company.read"
    COMPANY_WRITE = "company.write"
    USERS_READ = "users.read"
    USERS_WRITE = "users.write"
    OWNERS_WRITE = "owners.write"
    API_KEYS_READ = "api_keys.read"
    API_KEYS_WRITE = "api_keys.write"
    AUDIT_READ = "audit.read"
    PROTECTED_PASSWORD_WRITE = "protected_password.write"  # noqa: S105 - a permission's name


_P = Permission
_AGENT = frozenset(
    {
        _P.PLACES_READ,
        _P.CUSTOMERS_READ,
        _P.CUSTOMERS_WRITE,
        _P.DEVICES_READ,
        _P.TARIFFS_READ,
        _P.APPLIANCES_READ,
        _P.SALES_READ,
        _P.SALES_WRITE,
        _P.PAYMENTS_READ,
        _P.PAYMENTS_TAKE,
        _P.AGENTS_READ,
    }
)
_OPERATOR = frozenset(
    {
        _P.PLACES_READ,
        _P.CUSTOMERS_READ,
        _P.CUSTOMERS_WRITE,
        _P.DEVICES_READ,
        _P.DEVICES_WRITE,
        _P.TARIFFS_READ,
        _P.APPLIANCES_READ,
        _P.SALES_READ,
        _P.SALES_WRITE,
        _P.PAYMENTS_READ,
        _P.MESSAGES_RESEND,
        _P.COMPANY_READ,
    }
)
_FINANCE = _OPERATOR | {
    _P.CUSTOMERS_DELETE,
    _P.SALES_CHANGE,
    _P.PAYMENTS_TAKE,
    _P.PAYMENTS_ACT,
    _P.PAYMENTS_APPROVE,
    _P.TOKENS_CREATE,
    _P.SENSITIVE_READ,
    _P.EXPORTS_READ,
    _P.AGENTS_READ,
    _P.AGENTS_SETTLE,
}
_OWNER = frozenset(Permission)
_ADMIN = _OWNER - {_P.OWNERS_WRITE, _P.PROTECTED_PASSWORD_WRITE}

PERMISSIONS: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.OWNER: _OWNER,
        Role.ADMIN: _ADMIN,
        Role.FINANCE: _FINANCE,
        Role.OPERATOR: _OPERATOR,
        Role.AGENT: _AGENT,
    }
)


def may_assign(own: Role, other: Role) -> bool:
    """Tell whether somebody may give, change or take away a role: never one above their own."""
    return PERMISSIONS[other] <= PERMISSIONS[own]
