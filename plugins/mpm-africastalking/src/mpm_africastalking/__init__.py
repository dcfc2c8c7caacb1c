"""SMS through Africa's Talking for mpm."""

from __future__ import annotations
