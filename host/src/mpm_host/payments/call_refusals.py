"""Calls that are not even decided: badly signed, stale, unreadable, or beyond us just now.

They are answered and noted, not stored.
"""

from __future__ import annotations

import hashlib

import structlog

from mpm_core import (
    CallRefused,
    Decision,
    InboundCall,
    Malformed,
    Misconfigured,
    Stale,
    Verdict,
)
from mpm_host.database.outages import error_facts
from mpm_host.directory import InstanceRecord

__all__ = ["note_failure", "note_refusal", "refusal_verdict"]


def refusal_verdict(refusal: CallRefused) -> Verdict:
    """Return what a call is told that its plugin refused to read."""
    if isinstance(refusal, Malformed):
        return Verdict(decision=Decision.MALFORMED, message=str(refusal), fields=refusal.fields)
    if isinstance(refusal, Stale):
        return Verdict(decision=Decision.STALE, message=str(refusal))
    return Verdict(decision=Decision.UNAUTHENTICATED, message=str(refusal))


def note_refusal(
    log: structlog.stdlib.BoundLogger, call: InboundCall, verdict: Verdict, *, company: str
) -> None:
    """Warn of a call that could not be read: somebody may be trying the door.

    Of its body there is only a digest, by which its sender can tell which one it was: it may hold
    anybody's number, and whoever knows the address could fill a database with bodies.

    Args:
        log: has the instance and the correlation id.
        call: as it came.
        verdict: as it is answered.
        company: whose instance was called.
    """
    log.warning(
        "call_refused",
        company=company,
        decision=verdict.decision.value,
        path=call.path,
        source=call.source,
        bytes=len(call.body),
        sha256=hashlib.sha256(call.body).hexdigest(),
    )


def note_failure(
    log: structlog.stdlib.BoundLogger, error: Exception, instance: InstanceRecord, *, company: str
) -> None:
    """Log that a call could not be decided, and why if that can be said.

    Of most errors only the kind, and which outage it is: a database error's text repeats phone
    numbers, a plugin's may repeat anything. That its instance is not loaded, which no plugin can
    say here, are our words.

    Args:
        log: has the instance and the correlation id.
        error: what was raised.
        instance: that was called.
        company: whose it is.
    """
    why = {}
    if isinstance(error, Misconfigured):
        why = {"detail": str(error), "problem": instance.problem}
    log.error("call_failed", company=company, **error_facts(error), **why)
