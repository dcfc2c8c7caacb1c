"""Identifiers: opaque, time-ordered texts that any process can make without asking the database."""

from __future__ import annotations

import secrets

import uuid_utils

__all__ = ["IDENTIFIER_LENGTH", "new_callback_key", "new_identifier"]

IDENTIFIER_LENGTH = 32


def new_identifier() -> str:
    """Return a UUIDv7 as 32 hexadecimal digits: new rows land side by side in every index.

    Made without a call of the system, so that a busy thread keeps the interpreter meanwhile.
    """
    return uuid_utils.uuid7().hex


def new_callback_key() -> str:
    """Return 128 random bits for a callback URL, unguessable and without meaning."""
    return secrets.token_hex(16)
