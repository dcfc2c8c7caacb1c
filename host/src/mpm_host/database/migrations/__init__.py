"""Alembic's migrations of our own tables; `mpm_host.database.upgrade` runs them."""

from __future__ import annotations
