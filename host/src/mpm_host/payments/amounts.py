"""What a telecom's instance may be paid: the amount's step and limits, in one place."""

from __future__ import annotations

from mpm_core import Money, Objection, ReasonCode
from mpm_host.directory import AmountRules

__all__ = ["check_amount"]


def check_amount(amount: Money, rules: AmountRules) -> Objection | None:
    """Say why an amount cannot be paid through an instance, or `None`."""
    if amount.minor <= 0:
        return Objection(
            code=ReasonCode.AMOUNT_INVALID, message=f"The amount {amount} must be more than 0."
        )
    if amount.minor % rules.step:
        step = Money(rules.step, amount.currency)
        return Objection(
            code=ReasonCode.AMOUNT_INVALID,
            message=f"The amount {amount} must be a multiple of {step} {amount.currency}.",
        )
    if rules.minimum is not None and amount < rules.minimum:
        return Objection(
            code=ReasonCode.AMOUNT_BELOW_MINIMUM,
            message=f"Pay at least {rules.minimum} {amount.currency}.",
        )
    if rules.maximum is not None and amount > rules.maximum:
        return Objection(
            code=ReasonCode.AMOUNT_ABOVE_MAXIMUM,
            message=f"Pay at most {rules.maximum} {amount.currency}.",
        )
    return None
