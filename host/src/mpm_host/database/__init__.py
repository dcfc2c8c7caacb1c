"""Persistence: tables, engines, migrations and the group-commit writer."""

from __future__ import annotations
