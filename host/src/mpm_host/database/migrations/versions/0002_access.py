"""Add users, API keys, sessions, answered requests, and sales that were taken back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TABLES = (
    "mpm_user",
    "mpm_session",
    "mpm_api_key",
    "mpm_protected_password",
    "mpm_password_failure",
    "mpm_idempotency",
    "mpm_registration_request",
)


def upgrade() -> None:
    """Make the tables of access and of the API."""
    _make_user()
    _make_session()
    _make_api_key()
    _make_protected_password()
    _make_password_failure()
    _make_idempotency()
    _make_registration_request()
    op.add_column("mpm_plan", sa.Column("deleted_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("mpm_plan", "deleted_at")
    for table in reversed(_TABLES):
        op.drop_table(table)


def _company() -> sa.Column[str]:
    return sa.Column("company_id", sa.String(length=32), nullable=False)


def _company_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["company_id"], ["mpm_company.id"], name=op.f(f"fk_{table}_company_id")
    )


def _make_user() -> None:
    op.create_table(
        "mpm_user",
        sa.Column("id", sa.String(length=32), nullable=False),
        _company(),
        sa.Column("email", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password", sa.String(length=200), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        _company_key("mpm_user"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_user")),
        sa.UniqueConstraint("email", name=op.f("uq_mpm_user_email")),
    )
    op.create_index(op.f("ix_mpm_user_company_id"), "mpm_user", ["company_id"])


def _make_session() -> None:
    op.create_table(
        "mpm_session",
        sa.Column("id", sa.String(length=32), nullable=False),
        _company(),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("elevated_until", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        _company_key("mpm_session"),
        sa.ForeignKeyConstraint(["user_id"], ["mpm_user.id"], name=op.f("fk_mpm_session_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_session")),
        sa.UniqueConstraint("digest", name=op.f("uq_mpm_session_digest")),
    )
    op.create_index(op.f("ix_mpm_session_user_id"), "mpm_session", ["user_id"])


def _make_api_key() -> None:
    op.create_table(
        "mpm_api_key",
        sa.Column("id", sa.String(length=32), nullable=False),
        _company(),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("elevated_until", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        _company_key("mpm_api_key"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_api_key")),
        sa.UniqueConstraint("digest", name=op.f("uq_mpm_api_key_digest")),
        sa.UniqueConstraint("company_id", "name", name=op.f("uq_mpm_api_key_company_id_name")),
    )


def _make_protected_password() -> None:
    op.create_table(
        "mpm_protected_password",
        _company(),
        sa.Column("password", sa.String(length=200), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        _company_key("mpm_protected_password"),
        sa.PrimaryKeyConstraint("company_id", name=op.f("pk_mpm_protected_password")),
    )


def _make_password_failure() -> None:
    op.create_table(
        "mpm_password_failure",
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("blocked_until", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_mpm_password_failure")),
    )
    op.create_index(op.f("ix_mpm_password_failure_at"), "mpm_password_failure", ["at"])


def _make_idempotency() -> None:
    op.create_table(
        "mpm_idempotency",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("scope", sa.String(length=80), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mpm_idempotency")),
        sa.UniqueConstraint("scope", "key", name=op.f("uq_mpm_idempotency_scope_key")),
    )
    op.create_index(op.f("ix_mpm_idempotency_created_at"), "mpm_idempotency", ["created_at"])


def _make_registration_request() -> None:
    table = "mpm_registration_request"
    op.create_table(
        table,
        sa.Column("id", sa.String(length=32), nullable=False),
        _company(),
        sa.Column("request_id", sa.String(length=100), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.String(length=32), nullable=False),
        sa.Column("device_id", sa.String(length=32), nullable=False),
        sa.Column("plan_id", sa.String(length=32), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        _company_key(table),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["mpm_customer.id"], name=op.f(f"fk_{table}_customer_id")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["mpm_device.id"], name=op.f(f"fk_{table}_device_id")
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["mpm_plan.id"], name=op.f(f"fk_{table}_plan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint(
            "company_id", "request_id", name=op.f(f"uq_{table}_company_id_request_id")
        ),
    )
