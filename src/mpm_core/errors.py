"""Every exception of the contract, grouped by what the caller does next.

* MpmError
  * UserError                 a person must correct something; one plain line, no traceback
    * SettingsError           a plugin setting or `mpm.toml` entry is missing, unknown or wrong
    * PluginLoadError         a plugin cannot be used: missing, incompatible, broken, misdeclared
  * CallRefused               an inbound call that is not acted on: book nothing, answer, log
    * Unauthenticated         the caller did not prove who it is
    * Malformed               fields are missing or unreadable; `fields` names them
    * Stale                   genuine but too old or too new: the protocol's retryable answer
  * OutcomeError              an outbound call that brought no answer of the expected kind
    * NothingHappened         the other side did nothing: safe to try again
      * NotSent               it never got the request: later, with backoff
        * Throttled           it said "not now": after `after`, else with backoff
      * Misconfigured         it will not serve these settings: wait until they change
      * NotSupported          the plugin does not offer this operation
    * Refused                 a documented, final no: nothing was minted; a person decides
    * OutcomeUnknown          it may have happened: never repeat blindly
    * ContractViolation       the plugin broke the contract: its author must fix it

Anything a plugin raises that is not in this tree is *unknown* if a request with an effect may have
left, else a `ContractViolation`; the dispatch in `company_plugins` decides, so plugins need not.
"""

from __future__ import annotations

from datetime import timedelta

import attrs

__all__ = [
    "Attribution",
    "CallRefused",
    "ContractViolation",
    "Malformed",
    "Misconfigured",
    "MpmError",
    "NotSent",
    "NotSupported",
    "NothingHappened",
    "OutcomeError",
    "OutcomeUnknown",
    "PluginLoadError",
    "Refused",
    "SettingsError",
    "Stale",
    "Throttled",
    "Unauthenticated",
    "UserError",
]


@attrs.frozen(kw_only=True)
class Attribution:
    """Whose call it was: attached to every error that leaves the dispatch."""

    plugin: str
    distribution: str
    version: str
    hook: str
    company: str
    instance: str
    correlation_id: str

    def __str__(self) -> str:
        """Return one line for a log or an exception note."""
        return (
            f"plugin {self.plugin} ({self.distribution} {self.version}), hook {self.hook}, "
            f"company {self.company}, instance {self.instance}, correlation {self.correlation_id}"
        )


class MpmError(Exception):
    """Root of the tree; `attribution` is set once a plugin's call raised it."""

    attribution: Attribution | None = None


class UserError(MpmError):
    """A person's mistake: the message is one line that says what, whose, and what to do."""


class SettingsError(UserError):
    """A setting is missing, unknown or has the wrong type; names company, plugin and setting."""


class PluginLoadError(UserError):
    """A plugin cannot be loaded; the message carries the corrected line where there is one."""


class CallRefused(MpmError):
    """An inbound call that must not be acted on."""


class Unauthenticated(CallRefused):
    """The caller did not prove who it is. Never says which part was wrong."""


class Malformed(CallRefused):
    """The call cannot be read.

    Args:
        message: what is wrong, without secrets or whole phone numbers.
        fields: the wire names of the fields at fault, as the telecom spells them.
    """

    def __init__(self, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.fields = fields


class Stale(CallRefused):
    """The call is genuine but outside the protocol's time window; a person should hear of it."""


class OutcomeError(MpmError):
    """An outbound call did not end with the answer that was hoped for."""


class NothingHappened(OutcomeError):
    """The other side surely did nothing."""


class NotSent(NothingHappened):
    """The request cannot have been processed; try again later with backoff."""


class Throttled(NotSent):
    """The other side said *not now* and did not process the request.

    Args:
        message: its words.
        after: how long it asked us to wait, if it said so.
    """

    def __init__(self, message: str, after: timedelta | None = None) -> None:
        super().__init__(message)
        self.after = after


class Misconfigured(NothingHappened):
    """Credentials or settings are refused; nothing happened; wait until settings change."""


class NotSupported(NothingHappened):
    """The plugin's manifest does not declare this operation."""


class Refused(OutcomeError):
    """A documented, final no: nothing was minted.

    Args:
        message: the vendor's reason, verbatim.
        code: the vendor's code, verbatim, if it gave one.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class OutcomeUnknown(OutcomeError):
    """The effect may have happened. The value stays reserved; nothing is repeated blindly.

    Attributes:
        evidence: what was answered, if it was answered but cannot be used, such as another device's
            token: to be kept out of sight for a person, never used.
    """

    evidence: object | None = None


class ContractViolation(OutcomeError):
    """The plugin answered or raised something the contract does not allow."""
