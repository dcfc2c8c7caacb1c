"""Payments: asked about, booked, recorded, shown."""

from __future__ import annotations
