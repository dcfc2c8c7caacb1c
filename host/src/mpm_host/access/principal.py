"""The principal: who is asking, for which company, and what they may do."""

from __future__ import annotations

from datetime import datetime

import attrs

from mpm_host.access.access_refusals import AccessCode
from mpm_host.access.bearers import BearerKind
from mpm_host.access.roles import PERMISSIONS, Permission, Role
from mpm_host.companies.audit_trail import Actor
from mpm_host.directory import CompanyRecord
from mpm_host.refusals import ServiceRefused

__all__ = ["Principal"]


@attrs.frozen(kw_only=True)
class Principal:
    """Somebody who proved who they are.

    Attributes:
        company: whose data they see, and no other's.
        kind: a person's session or a machine's API key.
        id: of the session or the key.
        name: for the audit trail: an e-mail address, or `API key` and its name.
        user_id: of a person.
        agent_id: whom they act for; role agent has one, nobody else.
        elevated_until: the protected-pages password was given; `None` if it was not.
    """

    company: CompanyRecord
    kind: BearerKind
    id: str
    name: str
    role: Role
    user_id: str | None = None
    agent_id: str | None = None
    elevated_until: datetime | None = None

    def may(self, permission: Permission) -> bool:
        """Tell whether the role allows something."""
        return permission in PERMISSIONS[self.role]

    def is_elevated(self, now: datetime) -> bool:
        """Tell whether the protected-pages password was given and still counts."""
        return self.elevated_until is not None and now < self.elevated_until

    def actor(self, now: datetime, reason: str = "") -> Actor:
        """Return them for the audit trail."""
        return Actor(name=self.name, at=now, reason=reason)

    def require(self, permission: Permission) -> None:
        """Refuse what the role does not allow.

        Raises:
            ServiceRefused: `forbidden`.
        """
        if not self.may(permission):
            raise ServiceRefused(
                AccessCode.FORBIDDEN,
                f"Role {self.role.value} may not do this; it needs {permission.value}.",
            )

    def require_elevation(self, now: datetime) -> None:
        """Refuse a sensitive read without the protected-pages password.

        Raises:
            ServiceRefused: `forbidden`, `elevation_required`.
        """
        self.require(Permission.SENSITIVE_READ)
        if not self.is_elevated(now):
            raise ServiceRefused(
                AccessCode.ELEVATION_REQUIRED,
                "This shows protected data; send the protected-pages password to "
                "POST /elevations first.",
            )
