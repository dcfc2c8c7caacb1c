"""Problems: every refusal as RFC 9457 says, with a stable code.

One code has one status everywhere. What is not listed here is the caller's mistake in what it sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus

import attrs

from mpm_core import PluginLoadError, ReasonCode, SettingsError, UserError
from mpm_core.plans import PlanChangeRefused
from mpm_host.access.access_refusals import AccessCode, TooManyAttempts
from mpm_host.agents.agent_refusals import AgentCode
from mpm_host.refusals import ServiceRefused
from mpm_host.web.api.values import View

__all__ = ["MEDIA_TYPE", "ApiCode", "FieldProblem", "Problem", "ProblemError", "problem_of"]

MEDIA_TYPE = "application/problem+json"


class ApiCode(StrEnum):
    """Codes of the door itself; services have their own."""

    BODY_MALFORMED = "body_malformed"
    BODY_INVALID = "body_invalid"
    BODY_TOO_LARGE = "body_too_large"
    CONTENT_TYPE_UNSUPPORTED = "content_type_unsupported"
    QUERY_INVALID = "query_invalid"
    VILLAGE_REQUIRED = "village_required"
    IDEMPOTENCY_KEY_INVALID = "idempotency_key_invalid"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    REQUEST_ID_REUSED = "request_id_reused"
    REQUEST_IN_PROGRESS = "request_in_progress"
    CHANGED_MEANWHILE = "changed_meanwhile"
    UNAVAILABLE = "unavailable"
    UNKNOWN_PATH = "unknown_path"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    INTERNAL_ERROR = "internal_error"
    SETTINGS_INVALID = "settings_invalid"
    PLUGIN_NOT_ENABLED = "plugin_not_enabled"
    INPUT_INVALID = "input_invalid"


_STATUS: Mapping[str, int] = {
    ApiCode.BODY_MALFORMED: 400,
    ApiCode.IDEMPOTENCY_KEY_INVALID: 400,
    AccessCode.UNAUTHENTICATED: 401,
    AccessCode.WRONG_PASSWORD: 403,
    AccessCode.RESET_CODE_WRONG: 403,
    AccessCode.FORBIDDEN: 403,
    AccessCode.COMPANY_DISABLED: 403,
    AccessCode.ELEVATION_REQUIRED: 403,
    AccessCode.ROLE_ABOVE_OWN: 403,
    AccessCode.SIGN_UP_CLOSED: 403,
    AgentCode.AGENT_LIMIT: 403,
    AgentCode.APPLIANCE_NOT_ASSIGNED: 403,
    AgentCode.OUTSIDE_MINI_GRID: 403,
    ApiCode.METHOD_NOT_ALLOWED: 405,
    ApiCode.BODY_TOO_LARGE: 413,
    ApiCode.CONTENT_TYPE_UNSUPPORTED: 415,
    AccessCode.TOO_MANY_ATTEMPTS: 429,
    ApiCode.INTERNAL_ERROR: 500,
    ApiCode.UNAVAILABLE: 503,
    ReasonCode.PLUGIN_UNAVAILABLE: 503,
} | dict.fromkeys(
    (
        "agent_disabled",
        "approval_by_same_person",
        "currency_in_use",
        "device_moved",
        "device_owned",
        "duplicate_serial",
        "email_taken",
        "instance_in_use",
        "instance_not_in_use",
        "last_owner",
        "managed_by_configuration",
        "name_taken",
        "no_message",
        "no_token",
        "nothing_to_approve",
        "operation_not_supported",
        "payment_not_booked",
        "payment_not_held",
        "payment_not_settled",
        "payment_not_unknown",
        "payment_not_unmatched",
        "payment_reversing",
        "phone_taken",
        "balance_open",
        "payment_open",
        "plan_open",
        "push_open",
        "down_payment_handed_over",
        "plugin_not_enabled",
        "protected_password_missing",
        "slug_taken",
        "token_known",
        "too_many_messages",
        "user_disabled",
        ApiCode.CHANGED_MEANWHILE,
        ApiCode.REQUEST_IN_PROGRESS,
    ),
    409,
)


class FieldProblem(View, frozen=True, kw_only=True):
    """What is wrong with one field."""

    pointer: str
    detail: str


class Problem(View, frozen=True, kw_only=True):
    """Why a request was refused (RFC 9457); `code` is stable, `detail` is for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: tuple[FieldProblem, ...] = ()


@attrs.define(kw_only=True)
class ProblemError(Exception):
    """The door refuses a request.

    Attributes:
        code: one of `ApiCode`.
        detail: for people.
        pointer: the field, as a JSON pointer; empty when it is none in particular.
    """

    code: str
    detail: str
    pointer: str = ""


def problem_of(
    error: UserError | ProblemError | PlanChangeRefused,
) -> tuple[Problem, dict[str, str]]:
    """Return the problem an error becomes, with the headers that belong to it."""
    code, detail = _code_of(error), str(error) if isinstance(error, UserError) else error.detail
    pointer = error.pointer if isinstance(error, ProblemError) else ""
    status = _status_of(code)
    problem = Problem(
        type=f"urn:mpm:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        errors=(FieldProblem(pointer=pointer, detail=detail),) if pointer else (),
    )
    return problem, _headers_of(error, status)


def _code_of(error: UserError | ProblemError) -> str:
    match error:
        case ServiceRefused() | PlanChangeRefused() | ProblemError():
            return str(error.code)
        case SettingsError():
            return ApiCode.SETTINGS_INVALID
        case PluginLoadError():
            return ApiCode.PLUGIN_NOT_ENABLED
        case _:
            return ApiCode.INPUT_INVALID


def _status_of(code: str) -> int:
    if code in _STATUS:
        return _STATUS[code]
    # Also what exists, but in another company: nobody learns that it does.
    return 404 if code.startswith("unknown_") else 422


def _headers_of(error: Exception, status: int) -> dict[str, str]:
    if isinstance(error, TooManyAttempts):
        return {"Retry-After": str(error.seconds)}
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": 'Bearer realm="mpm"'}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": "5"}
    return {}
