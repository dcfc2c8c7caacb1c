"""Vodacom M-Pesa C2B (JSON contract) for mpm."""

from __future__ import annotations
