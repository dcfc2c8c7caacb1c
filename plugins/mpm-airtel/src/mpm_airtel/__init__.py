"""Airtel Money C2B (XML COMMAND interface) for mpm."""

from __future__ import annotations
