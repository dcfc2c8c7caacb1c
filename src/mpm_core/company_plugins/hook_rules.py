"""How each hook is called: to whom, in which thread, with what effect, answering what.

The table is data, so that the dispatch has one way of calling and a test can hold it against the
hook specifications.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from enum import StrEnum
from types import MappingProxyType, NoneType

import attrs

from mpm_core.calls import Reply
from mpm_core.delivery_reports import DeliveryReport
from mpm_core.devices import DeviceMapping, DeviceReading
from mpm_core.health import Health
from mpm_core.messages import MessageReceipt
from mpm_core.orders import Grant, NotFound, Pending, Prepared
from mpm_core.payments import (
    EnquiryRequest,
    Heartbeat,
    NoticeRequest,
    Objection,
    ProcessRequest,
    ValidationRequest,
)
from mpm_core.pushes import ProviderState, PushReceipt, ReportReceipt

__all__ = ["HOOK_RULES", "HookRule", "Mode", "SynchronousAnswer"]


class Mode(StrEnum):
    """Who is called."""

    ROUTED = "routed"  # one instance; its answer counts
    ASKED = "asked"  # every instance; each answer counts
    TOLD = "told"  # every instance; no answer counts


class _NotACoroutine(type):
    def __instancecheck__(cls, answer: object) -> bool:
        return not isinstance(answer, Coroutine)


class SynchronousAnswer(metaclass=_NotACoroutine):
    """Stands for any answer that is there, in contrast to one that somebody must await first."""


@attrs.frozen(kw_only=True)
class HookRule:
    """How one hook is called.

    Attributes:
        mode: who is called.
        pure: runs in the caller's thread; else in the instance's pool, with a deadline.
        effect: may change something at the other side, so a lost answer is *unknown*.
        returns: the types its answer may have; `SynchronousAnswer` where no class describes it.
    """

    mode: Mode = Mode.ROUTED
    pure: bool = False
    effect: bool = False
    returns: tuple[type, ...]


def _told() -> HookRule:
    # in the pool, so that a hanging observer is left behind at its deadline
    return HookRule(mode=Mode.TOLD, returns=(SynchronousAnswer,))


_PROVIDER_REQUESTS = (
    ValidationRequest,
    ProcessRequest,
    EnquiryRequest,
    NoticeRequest,
    DeliveryReport,
    Heartbeat,
)

HOOK_RULES: Mapping[str, HookRule] = MappingProxyType(
    {
        "mpm_read_call": HookRule(pure=True, returns=_PROVIDER_REQUESTS),
        "mpm_write_reply": HookRule(pure=True, returns=(Reply,)),
        "mpm_report_payment": HookRule(effect=True, returns=(ReportReceipt,)),
        "mpm_push_payment": HookRule(effect=True, returns=(PushReceipt,)),
        "mpm_query_payment": HookRule(returns=(ProviderState,)),
        "mpm_validate_payment": HookRule(mode=Mode.ASKED, pure=True, returns=(Objection, NoneType)),
        "mpm_payment_accepted": _told(),
        "mpm_payment_settled": _told(),
        "mpm_register_device": HookRule(returns=(DeviceMapping,)),
        "mpm_prepare_order": HookRule(returns=(Prepared,)),
        "mpm_generate_token": HookRule(effect=True, returns=(Grant, Pending)),
        "mpm_find_token": HookRule(returns=(Grant, NotFound, Pending)),
        "mpm_clear_device": HookRule(effect=True, returns=(Grant,)),
        "mpm_read_device": HookRule(returns=(DeviceReading,)),
        "mpm_switch_device": HookRule(effect=True, returns=(Grant,)),
        "mpm_token_issued": _told(),
        "mpm_order_held": _told(),
        "mpm_device_registered": _told(),
        "mpm_send_message": HookRule(effect=True, returns=(MessageReceipt,)),
        "mpm_message_sent": _told(),
        "mpm_check": HookRule(returns=(Health,)),
        "mpm_simulator": HookRule(pure=True, returns=(SynchronousAnswer,)),
    }
)
