"""The rules of agents' money, pure: what they may take, what they earn, what they hand over.

*Balance* is company cash in the agent's hands; *commission* is what the company owes the agent and
has not paid yet. Cash that is taken raises both; handing over R pays the commission C out of the
same cash: the balance falls by R + C, the commission by C (domain specification 3.12, E-67 to E-71,
T-75 to T-78).
"""

from __future__ import annotations

import re
from enum import StrEnum
from fractions import Fraction

import attrs

from mpm_core import Money
from mpm_host.agents.agent_refusals import AgentCode
from mpm_host.refusals import RefusalCode, ServiceRefused

__all__ = [
    "AgentAccount",
    "CommissionRate",
    "EntryKind",
    "Movement",
    "collect",
    "hand_over",
]

_RATE = re.compile(r"[0-9]{1,4}(\.[0-9]{1,8})?", re.ASCII)
_SHOWN = 40


class EntryKind(StrEnum):
    """What moved an agent's balance or commission."""

    PAYMENT = "payment"  # cash taken for a device or a plan
    DOWN_PAYMENT = "down_payment"  # cash taken at a sale
    HANDED_OVER = "handed_over"
    COMMISSION_PAID = "commission_paid"  # kept from the cash when it was handed over
    REVERSAL = "reversal"  # the payment was taken back, and what it earned with it


@attrs.frozen(kw_only=True)
class CommissionRate:
    """Which part of the cash they take agents earn: exact, from 0 to 1, such as `0.10`.

    Attributes:
        text: as it was written, blanks removed; stored and shown so.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> CommissionRate:
        """Read a rate as people write it.

        Raises:
            ServiceRefused: `commission_rate_invalid`: no plain decimal, or above 1 (T-78).
        """
        given = text.strip()
        if not _RATE.fullmatch(given) or Fraction(given) > 1:
            raise ServiceRefused(
                AgentCode.COMMISSION_RATE_INVALID,
                f"The commission rate {given[:_SHOWN]!r} cannot be used; write a decimal from 0 "
                "to 1 with at most 8 decimals, such as 0.10 for a tenth.",
            )
        return cls(text=given)

    def of(self, minor: int) -> int:
        """Return the commission on an amount, in minor units, rounded down.

        Rounded down per amount, so that all commissions together never exceed the rate's part
        of the total.
        """
        return int(Fraction(self.text) * minor // 1)


@attrs.frozen(kw_only=True)
class AgentAccount:
    """An agent's money at one moment, in minor units.

    Attributes:
        balance: company cash in the agent's hands; negative after a reversal of cash that was
            handed over already.
        commission: earned and not paid yet; negative after a reversal of what was paid already.
        risk_balance: the most company cash the agent may hold.
    """

    currency: str
    rate: CommissionRate
    risk_balance: int
    balance: int = 0
    commission: int = 0

    @property
    def due(self) -> int:
        """What the agent has to hand over now: the balance without the commission they keep."""
        return max(self.balance - self.commission, 0)

    def after(self, *movements: Movement) -> AgentAccount:
        """Return the account as movements leave it."""
        return attrs.evolve(
            self,
            balance=self.balance + sum(each.amount for each in movements),
            commission=self.commission + sum(each.commission for each in movements),
        )

    def written(self, minor: int) -> str:
        """Write an amount for people."""
        return f"{Money(minor, self.currency)} {self.currency}"


@attrs.frozen(kw_only=True)
class Movement:
    """One entry to be: by how much balance and commission change, in minor units."""

    kind: EntryKind
    amount: int
    commission: int = 0


def collect(account: AgentAccount, amount: int, kind: EntryKind) -> Movement:
    """Return what taking cash changes.

    Args:
        account: before.
        amount: minor units that the agent takes.
        kind: what for.

    Raises:
        ServiceRefused: `amount_invalid` for nothing or less (E-70); `agent_limit` when the agent
            would hold more than the risk balance allows (E-69).
    """
    _require_positive(account, amount)
    if account.balance + amount > account.risk_balance:
        raise ServiceRefused(
            AgentCode.AGENT_LIMIT,
            f"The agent holds {account.written(account.balance)} and may hold "
            f"{account.written(account.risk_balance)}; {account.written(amount)} more is too "
            "much. Hand cash over to the company first.",
        )
    return Movement(kind=kind, amount=amount, commission=account.rate.of(amount))


def hand_over(account: AgentAccount, amount: int) -> tuple[Movement, ...]:
    """Return what handing cash over changes: the cash, and the commission that is kept with it.

    Raises:
        ServiceRefused: `amount_invalid`; `nothing_due` when the agent holds nothing of the
            company's; `receipt_above_due` when it is more than the agent owes (T-77).
    """
    _require_positive(account, amount)
    if not account.due:
        raise ServiceRefused(
            AgentCode.NOTHING_DUE,
            f"The agent holds {account.written(account.balance)} of the company's cash and has "
            f"earned {account.written(account.commission)}: there is nothing to hand over.",
        )
    if amount > account.due:
        raise ServiceRefused(
            AgentCode.RECEIPT_ABOVE_DUE,
            f"The receipt of {account.written(amount)} is above what the agent owes, "
            f"{account.written(account.due)}; write what was handed over.",
        )
    handed = Movement(kind=EntryKind.HANDED_OVER, amount=-amount)
    if not account.commission:
        return (handed,)
    paid = -account.commission
    return (handed, Movement(kind=EntryKind.COMMISSION_PAID, amount=paid, commission=paid))


def _require_positive(account: AgentAccount, amount: int) -> None:
    if amount <= 0:
        raise ServiceRefused(
            RefusalCode.AMOUNT_INVALID,
            f"The amount is {account.written(amount)}; it must be more than 0.",
        )
