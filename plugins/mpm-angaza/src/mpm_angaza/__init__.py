"""Angaza Nexus for mpm."""

from __future__ import annotations
