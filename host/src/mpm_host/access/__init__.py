"""Access: users, roles, passwords, sessions, API keys and elevations."""

from __future__ import annotations
