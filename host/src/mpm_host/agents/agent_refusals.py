"""Why something of an agent is refused: codes of `ServiceRefused`, stable for ever."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["AgentCode"]


class AgentCode(StrEnum):
    """One word for one fact."""

    UNKNOWN_AGENT = "unknown_agent"
    # a value cannot be right
    COMMISSION_RATE_INVALID = "commission_rate_invalid"
    COST_DIFFERS = "cost_differs"
    # an agent may not do this
    AGENT_LIMIT = "agent_limit"
    AGENT_DISABLED = "agent_disabled"
    APPLIANCE_NOT_ASSIGNED = "appliance_not_assigned"
    OUTSIDE_MINI_GRID = "outside_mini_grid"
    # it does not fit what is there
    PHONE_TAKEN = "phone_taken"
    NOTHING_DUE = "nothing_due"
    RECEIPT_ABOVE_DUE = "receipt_above_due"
    # who acts for whom
    AGENT_REQUIRED = "agent_required"
    AGENT_FORBIDDEN = "agent_forbidden"
