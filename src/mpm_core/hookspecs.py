"""Every hook of the contract: who calls it, when, how often, what may be raised.

Mark an implementation with `mpm_core.hookimpl`. An implementation may ask for any subset of a
hook's arguments by name (never keyword-only, never with a default), must be synchronous, and may be
called from several threads at once. Arguments are frozen values; nothing of them may be kept or
changed.

Three ways of calling:

* **routed**: exactly one instance is called, the one named by the device or the callback. `None`
  or another type than stated is a contract violation.
* **asked**: every enabled instance of the company is asked, in the order of instance names.
* **told**: every enabled instance is told, after the fact; answers and errors change nothing. What
  is told was committed together with the fact, so it survives a crash. Each telling is repeated
  until the instance has heard it (10 s, 1 min, 5 min, 30 min, 2 h after a failure), then set aside
  and shown by `mpm doctor`. It may come twice and in any order; its values are read when it is
  told, so a payment may have gone on since. It holds no tokens, and no details or state of a device
  unless the device is the instance's own.

*Pure* hooks run in the caller's thread: no I/O, no waiting, the same answer for the same arguments.
*Vendor* hooks run in the instance's own bounded pool and must call out through `runtime.http` only;
past `context.deadline` the host goes on as if the outcome were unknown, and a late answer is kept
as evidence. Vendor hooks raise from `mpm_core.errors`: `Refused`, `NotSent`, `Throttled`,
`OutcomeUnknown`, `Misconfigured`. A vendor hook never repeats a request that may have had an
effect.

`mpm-host` 0.1 does not call all of them yet: `mpm_clear_device` and `mpm_read_device` wait for
later versions.
"""

from __future__ import annotations

import pluggy

from mpm_core.calls import CallContext, InboundCall, Reply
from mpm_core.devices import Device, DeviceMapping, DeviceReading
from mpm_core.health import Health
from mpm_core.messages import Message, MessageReceipt
from mpm_core.orders import Charge, Grant, NotFound, Order, Pending, Prepared
from mpm_core.payments import (
    Objection,
    PaymentFacts,
    ProviderRequest,
    Quote,
    ValidationRequest,
    Verdict,
)
from mpm_core.pushes import ProviderState, Push, PushReceipt, ReportReceipt
from mpm_core.simulation import Simulator

__all__ = ["PROJECT_NAME", "hookimpl", "hookspec"]

PROJECT_NAME = "mpm_core"
hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)

# The bodies are empty on purpose: a specification is its signature and its docstring.
# mypy: disable-error-code="empty-body"

# --- inbound calls: telecoms, messengers and manufacturers that call us ---------------------------


@hookspec
def mpm_read_call(call: InboundCall, context: CallContext) -> ProviderRequest:
    """Authenticate and decode one inbound call.

    Routed to the instance of the callback key, once per HTTP call, before anything is stored. Pure.
    Check the signature over the raw bytes first, then parse strictly; unknown fields are ignored.

    Returns:
        One of the provider requests; a messenger's callback is a `DeliveryReport`.

    Raises:
        Unauthenticated: the caller did not prove who it is.
        Malformed: fields are missing or unreadable; `fields` names them as the wire does.
        Stale: genuine, but outside the protocol's time window.
    """


@hookspec
def mpm_write_reply(
    call: InboundCall, request: ProviderRequest | None, verdict: Verdict, context: CallContext
) -> Reply:
    """Encode our answer in the protocol's own words.

    Routed, after every `mpm_read_call`. Pure: the same verdict gives the same bytes. An *accepted*
    reply is encoded before the payment is booked and stored with it; a repeat gets those bytes.
    An unknown decision or status must be encoded as *still working*, never as *no*: a telecom gives
    money back on a *no*.

    Args:
        call: as it came in.
        verdict: what the host decided.
        context: who is calling.
        request: `None` when the call could not be read (verdict *unauthenticated*, *malformed*,
            *stale*) or nothing works (*unavailable*).
    """


@hookspec
def mpm_report_payment(
    payment: PaymentFacts, verdict: Verdict, context: CallContext
) -> ReportReceipt:
    """Tell the telecom the result of a payment, where its protocol wants that.

    Routed, as soon as a process call was accepted, never waiting for the token. Repeated with
    backoff, whatever it failed with, and once more for each repeated process call, so it must be
    safe to repeat; `payment.reference` says which one it is. After the last try the payment is a
    conflict for a person. Not called for payments that a push brought, nor for calls that were
    refused. Vendor hook.

    Args:
        payment: with `details`, what the telecom's calls asked us to keep.
        verdict: *accepted*, with our number.
        context: who is calling.

    Returns:
        Whether the telecom did what was reported; if not, a person must look.
    """


# --- pushes ---------------------------------------------------------------------------------------


@hookspec
def mpm_push_payment(push: Push, context: CallContext) -> PushReceipt:
    """Ask the telecom to prompt the payer's phone.

    Routed, once per push: the push is stored and committed before, and never sent again by itself,
    whatever comes of it. `NotSent`, `Throttled`, `Misconfigured` and `Refused` end it as *failed*;
    anything else leaves it *unknown*, and `mpm_query_payment` is asked. Vendor hook.
    """


@hookspec
def mpm_query_payment(push: Push, context: CallContext) -> ProviderState:
    """Ask the telecom what became of a push.

    Routed, repeated on a schedule, and at once when a notice (`mpm_read_call`) names `push.key`: no
    notice is believed alone. *Paid* books the money, once. *Not found* ends a push only if it is
    said twice, more than 15 minutes after it was sent. Pushes are only offered for plugins that
    have this hook, too. Vendor hook, without effect.
    """


# --- payments -------------------------------------------------------------------------------------


@hookspec
def mpm_validate_payment(
    payment: ValidationRequest, device: Device, quote: Quote, context: CallContext
) -> Objection | None:
    """Object to a payment before money moves.

    Asked of every enabled instance at validation only, outside any transaction; the first objection
    is the answer, all are recorded. Pure. An instance that fails counts as an objection
    (`plugin_unavailable`) only if it is the telecom's or the device's own.
    """


@hookspec
def mpm_payment_accepted(payment: PaymentFacts, context: CallContext) -> None:
    """A payment was booked, maybe as nobody's yet. Told after commit, at least once."""


@hookspec
def mpm_payment_settled(payment: PaymentFacts, context: CallContext) -> None:
    """A payment's token was issued, or none was due. Told after commit, at least once."""


# --- manufacturers --------------------------------------------------------------------------------


@hookspec
def mpm_register_device(device: Device, context: CallContext) -> DeviceMapping:
    """Ask the vendor whether it knows a device.

    Routed, in the background after registration, repeated while unreachable. Vendor hook, without
    effect. Called only if the manifest says `supports_lookup`.

    Returns:
        `mapped` or `not_mapped`.
    """


@hookspec
def mpm_prepare_order(
    device: Device, charge: Charge, order: Order, context: CallContext
) -> Prepared:
    """Decide what must not be decided twice: a target date, a counter, a token id.

    Routed, optional, before the first attempt of an order. Vendor hook that may read from the
    vendor but never mints: any error here means that nothing happened. What it returns is committed
    together with the attempt, before `mpm_generate_token` runs.

    A target date is the later of `context.now` and the end the vendor has, plus what was paid:
    return it as `Prepared(inputs={"until": …})`, send `order.prepared["until"]`, and declare
    `blocks_device`, for the next order starts from it.
    """


@hookspec
def mpm_generate_token(
    device: Device, charge: Charge, order: Order, context: CallContext
) -> Grant | Pending:
    """Turn a charge into a grant.

    Routed to the device's manufacturer, outside any transaction, one order of a device at a time.
    Vendor hook with an effect. Called again for the same order only after an outcome that was
    surely nothing, or if the operation's declared `recovery` makes a repeat safe; `order.key` is
    then the same. So is `order.prepared`, except that a target (recovery *desired_state*) is
    prepared anew after an outcome that was surely nothing: waiting takes no days from the customer.

    Raises:
        Refused: the vendor's documented final no.
        NotSent, Throttled, Misconfigured: surely nothing happened.
        OutcomeUnknown: everything else; anything unclassified counts as this once a request with
            an effect may have left.
    """


@hookspec
def mpm_find_token(
    device: Device, charge: Charge, order: Order, context: CallContext
) -> Grant | NotFound | Pending:
    """Recover the lost answer of an earlier attempt.

    Routed, on the resolver's schedule, only for operations that declare `recovery` *lookup*, or
    after `Pending`. Vendor hook, without effect.
    """


@hookspec
def mpm_clear_device(device: Device, charge: Charge, order: Order, context: CallContext) -> Grant:
    """Set the device's credit to zero.

    Routed, on a person's request. Vendor hook with an effect.
    """


@hookspec
def mpm_read_device(device: Device, context: CallContext) -> DeviceReading:
    """Read what the vendor knows of a device. Routed, on a person's request. Vendor hook."""


@hookspec
def mpm_switch_device(device: Device, on: bool, order: Order, context: CallContext) -> Grant:  # noqa: FBT001 - the switch's two positions are the argument
    """Switch a device on or off; repeating is harmless, for it asks for a state.

    Routed, by the host that keeps *paid until* for devices that cannot count themselves. Vendor
    hook.
    """


@hookspec
def mpm_token_issued(device: Device, charge: Charge, order: Order, context: CallContext) -> None:
    """A token was stored and its message queued.

    Told after commit, at least once; without codes. `order.prepared` is empty unless the device is
    the instance's own.
    """


@hookspec
def mpm_order_held(device: Device, charge: Charge, order: Order, context: CallContext) -> None:
    """An order waits for a person. Told after commit, at least once; else as `mpm_token_issued`."""


@hookspec
def mpm_device_registered(device: Device, context: CallContext) -> None:
    """A device was registered. Told after commit, at least once."""


# --- messengers -----------------------------------------------------------------------------------


@hookspec
def mpm_send_message(message: Message, context: CallContext) -> MessageReceipt:
    """Send one message.

    Routed to the company's messenger. At least once: after an unknown outcome the same message is
    sent again with the same key and text, because a duplicate does no harm. Vendor hook.
    """


@hookspec
def mpm_message_sent(message: Message, context: CallContext) -> None:
    """A message was handed to the gateway.

    Told after commit, at least once. `message.body` is empty, for it may hold tokens; `message.to`
    is the whole number.
    """


# --- every plugin ---------------------------------------------------------------------------------


@hookspec
def mpm_check(context: CallContext) -> Health:
    """Say whether the other side is reachable with these settings. Vendor hook, without effect."""


@hookspec
def mpm_simulator() -> Simulator:
    """Return a fresh simulator of the other side, for the demo, the sandbox and tests. Pure."""
