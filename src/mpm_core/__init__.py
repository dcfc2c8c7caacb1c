"""The contract of the mpm plugins: values, hooks, plugin manager and pure money rules.

A plugin imports public names from here only. Nothing runs on import.
"""

from __future__ import annotations

from mpm_core.calls import CallContext, InboundCall, Reply
from mpm_core.delivery_reports import DeliveryReport
from mpm_core.devices import Device, DeviceKind, DeviceMapping, DeviceReading
from mpm_core.errors import (
    Attribution,
    CallRefused,
    ContractViolation,
    Malformed,
    Misconfigured,
    MpmError,
    NothingHappened,
    NotSent,
    NotSupported,
    OutcomeError,
    OutcomeUnknown,
    PluginLoadError,
    Refused,
    SettingsError,
    Stale,
    Throttled,
    Unauthenticated,
    UserError,
)
from mpm_core.exact_json import read_json, write_json
from mpm_core.health import Health
from mpm_core.hookspecs import hookimpl
from mpm_core.manifest import (
    Manifest,
    Operation,
    OrphanEffect,
    PluginKind,
    Recovery,
    ResultCode,
)
from mpm_core.messages import Message, MessageReceipt, MessageStatus
from mpm_core.money import Money, currency_exponent, is_currency
from mpm_core.msisdn import Msisdn
from mpm_core.orders import Charge, ChargeKind, Delivery, Grant, NotFound, Order, Pending, Prepared
from mpm_core.outbound.answers import Answer
from mpm_core.payments import (
    Decision,
    EnquiryRequest,
    Heartbeat,
    NoticeEvent,
    NoticeRequest,
    Objection,
    PaymentFacts,
    PaymentStatus,
    ProcessRequest,
    ProviderRequest,
    Quote,
    QuoteLine,
    ReasonCode,
    ValidationRequest,
    Verdict,
)
from mpm_core.pushes import ProviderState, Push, PushReceipt, PushState, ReportReceipt
from mpm_core.runtime import Company, PluginRuntime
from mpm_core.safe_xml import FlatDocument, read_flat_xml, write_flat_xml
from mpm_core.secrets import Secret, hide_secrets
from mpm_core.settings import read_settings, setting
from mpm_core.simulation import (
    SimulatedCall,
    SimulatedPayment,
    SimulatedReply,
    SimulatedRequest,
    Simulator,
)
from mpm_core.simulation.faults import (
    ANSWER_FAULTS,
    UNPROCESSED_FAULTS,
    FaultSwitches,
    spoil_answer,
)
from mpm_core.units import Unit, format_kwh, parse_kwh

__all__ = [
    "ANSWER_FAULTS",
    "UNPROCESSED_FAULTS",
    "Answer",
    "Attribution",
    "CallContext",
    "CallRefused",
    "Charge",
    "ChargeKind",
    "Company",
    "ContractViolation",
    "Decision",
    "Delivery",
    "DeliveryReport",
    "Device",
    "DeviceKind",
    "DeviceMapping",
    "DeviceReading",
    "EnquiryRequest",
    "FaultSwitches",
    "FlatDocument",
    "Grant",
    "Health",
    "Heartbeat",
    "InboundCall",
    "Malformed",
    "Manifest",
    "Message",
    "MessageReceipt",
    "MessageStatus",
    "Misconfigured",
    "Money",
    "MpmError",
    "Msisdn",
    "NotFound",
    "NotSent",
    "NotSupported",
    "NothingHappened",
    "NoticeEvent",
    "NoticeRequest",
    "Objection",
    "Operation",
    "Order",
    "OrphanEffect",
    "OutcomeError",
    "OutcomeUnknown",
    "PaymentFacts",
    "PaymentStatus",
    "Pending",
    "PluginKind",
    "PluginLoadError",
    "PluginRuntime",
    "Prepared",
    "ProcessRequest",
    "ProviderRequest",
    "ProviderState",
    "Push",
    "PushReceipt",
    "PushState",
    "Quote",
    "QuoteLine",
    "ReasonCode",
    "Recovery",
    "Refused",
    "Reply",
    "ReportReceipt",
    "ResultCode",
    "Secret",
    "SettingsError",
    "SimulatedCall",
    "SimulatedPayment",
    "SimulatedReply",
    "SimulatedRequest",
    "Simulator",
    "Stale",
    "Throttled",
    "Unauthenticated",
    "Unit",
    "UserError",
    "ValidationRequest",
    "Verdict",
    "currency_exponent",
    "format_kwh",
    "hide_secrets",
    "hookimpl",
    "is_currency",
    "parse_kwh",
    "read_flat_xml",
    "read_json",
    "read_settings",
    "setting",
    "spoil_answer",
    "write_flat_xml",
    "write_json",
]
