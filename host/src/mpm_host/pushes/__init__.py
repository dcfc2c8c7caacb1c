"""Pushes: asking a payer's phone for a payment, and what became of it."""

from __future__ import annotations
