"""Recomputing the ledger and checking its invariants."""

from __future__ import annotations
