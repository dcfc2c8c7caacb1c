"""Agents as they are stored, and what is asked to make or change one."""

from __future__ import annotations

from datetime import datetime

import attrs

from mpm_core import Money
from mpm_host.agents.agent_rules import AgentAccount, CommissionRate

__all__ = ["AgentChange", "NewAgent", "StoredAgent"]


@attrs.frozen(kw_only=True)
class NewAgent:
    """Somebody to sell for the company.

    Attributes:
        phone: as typed; national numbers belong to the company's country.
        commission_rate: as typed, such as `0.10`.
        risk_balance: the most company cash they may hold.
    """

    name: str
    phone: str = attrs.field(repr=False)
    mini_grid_id: str
    commission_rate: str
    risk_balance: Money


@attrs.frozen(kw_only=True)
class AgentChange:
    """What to change of an agent; `None` leaves it.

    Another rate counts for what is taken from now on. A risk balance below what the agent holds
    stops them until they hand over.
    """

    name: str | None = None
    commission_rate: str | None = None
    risk_balance: Money | None = None
    enabled: bool | None = None


@attrs.frozen(kw_only=True)
class StoredAgent:
    """An agent of a company."""

    id: str
    company_id: str
    mini_grid_id: str
    name: str
    phone: str = attrs.field(repr=False)
    enabled: bool
    account: AgentAccount
    created_at: datetime

    @property
    def rate(self) -> CommissionRate:
        """Which part of the cash they take they earn."""
        return self.account.rate
