"""Why access is refused: codes of `ServiceRefused`, stable for ever."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from mpm_host.refusals import ServiceRefused

__all__ = ["AccessCode", "TooManyAttempts"]


class AccessCode(StrEnum):
    """One word for one fact."""

    # who is asking
    UNAUTHENTICATED = "unauthenticated"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a code
    RESET_CODE_WRONG = "reset_code_wrong"
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    COMPANY_DISABLED = "company_disabled"
    # may they
    FORBIDDEN = "forbidden"
    ELEVATION_REQUIRED = "elevation_required"
    ROLE_ABOVE_OWN = "role_above_own"
    SIGN_UP_CLOSED = "sign_up_closed"
    # a value cannot be right
    EMAIL_INVALID = "email_invalid"
    PASSWORD_INVALID = "password_invalid"  # noqa: S105 - a code
    ROLE_INVALID = "role_invalid"
    # it does not fit what is there
    UNKNOWN_USER = "unknown_user"
    UNKNOWN_API_KEY = "unknown_api_key"
    EMAIL_TAKEN = "email_taken"
    LAST_OWNER = "last_owner"
    USER_DISABLED = "user_disabled"
    PROTECTED_PASSWORD_MISSING = "protected_password_missing"  # noqa: S105 - a code


class TooManyAttempts(ServiceRefused):
    """A password was tried wrongly too often.

    Args:
        until: when it may be tried again.
        now: to tell how long that is.
    """

    def __init__(self, until: datetime, now: datetime) -> None:
        self.seconds = max(1, int((until - now).total_seconds()) + 1)
        super().__init__(
            AccessCode.TOO_MANY_ATTEMPTS,
            f"The password was wrong too often; try again in {self.seconds} seconds.",
        )
