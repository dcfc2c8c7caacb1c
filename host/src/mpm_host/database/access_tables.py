"""Tables of access and of the API: who may do what, and which requests were answered already."""

from __future__ import annotations

import sqlalchemy as sa

from mpm_host.database.column_types import Instant
from mpm_host.database.columns import ID, company, created, identifier, metadata, reference_to

__all__ = [
    "api_keys",
    "idempotency",
    "password_failures",
    "password_resets",
    "protected_passwords",
    "registration_requests",
    "sessions",
    "users",
]

_DIGEST = sa.String(64)  # SHA-256 as hexadecimal digits
_PASSWORD = sa.String(200)  # Argon2's own text, with its parameters

users = sa.Table(
    "mpm_user",
    metadata,
    identifier(),
    company(),
    sa.Column("email", sa.String(200), nullable=False, unique=True),  # small letters
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("password", _PASSWORD, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    created(),
    sa.Index(None, "company_id"),
)

sessions = sa.Table(
    "mpm_session",
    metadata,
    identifier(),
    company(),
    reference_to("mpm_user"),
    sa.Column("digest", _DIGEST, nullable=False, unique=True),  # of the bearer
    created(),
    sa.Column("seen_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("elevated_until", Instant),
    sa.Column("ended_at", Instant),
    sa.Index(None, "user_id"),
)

api_keys = sa.Table(
    "mpm_api_key",
    metadata,
    identifier(),
    company(),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("digest", _DIGEST, nullable=False, unique=True),  # of the bearer
    created(),
    sa.Column("created_by", sa.String(200), nullable=False),
    sa.Column("elevated_until", Instant),
    sa.Column("revoked_at", Instant),
    sa.UniqueConstraint("company_id", "name"),
)

protected_passwords = sa.Table(
    "mpm_protected_password",
    metadata,
    sa.Column("company_id", ID, sa.ForeignKey("mpm_company.id"), primary_key=True),
    sa.Column("password", _PASSWORD, nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
)

password_failures = sa.Table(
    "mpm_password_failure",
    metadata,
    sa.Column("subject", _DIGEST, primary_key=True),  # whose password was tried, hashed
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("blocked_until", Instant),
    sa.Column("at", Instant, nullable=False),
    sa.Index(None, "at"),
)

password_resets = sa.Table(
    "mpm_password_reset",
    metadata,
    sa.Column("user_id", ID, sa.ForeignKey("mpm_user.id"), primary_key=True),  # the latest only
    company(),
    sa.Column("digest", _DIGEST, nullable=False),  # of the code
    created(),
    sa.Column("expires_at", Instant, nullable=False),
)

idempotency = sa.Table(
    "mpm_idempotency",
    metadata,
    identifier(),
    sa.Column("scope", sa.String(80), nullable=False),  # who sent the key
    sa.Column("key", sa.String(255), nullable=False),
    sa.Column("digest", _DIGEST, nullable=False),  # of the request
    sa.Column("status", sa.Integer),  # none while it is under way
    sa.Column("answer", sa.LargeBinary),  # encrypted: it may show an API key
    created(),
    sa.UniqueConstraint("scope", "key"),
    sa.Index(None, "created_at"),
)

registration_requests = sa.Table(
    "mpm_registration_request",
    metadata,
    identifier(),
    company(),
    sa.Column("request_id", sa.String(100), nullable=False),  # the client's own
    sa.Column("digest", _DIGEST, nullable=False),  # of the request's content
    reference_to("mpm_customer"),
    reference_to("mpm_device"),
    reference_to("mpm_plan", nullable=True),
    created(),
    sa.UniqueConstraint("company_id", "request_id"),
)
