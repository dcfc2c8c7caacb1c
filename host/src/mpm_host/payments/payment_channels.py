"""Channels: how a payment's money reached us."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["PaymentChannel"]


class PaymentChannel(StrEnum):
    """How a payment's money reached us; only what a telecom brought has an instance."""

    TELECOM = "telecom"
    CASH = "cash"  # somebody of the company, or an agent, took it
    AD_HOC = "ad_hoc"  # counted as cash: staff made a token past all debts
    PLAN_CHANGE = "plan_change"  # none did: a change of the sale settled a plan, to be unlocked
