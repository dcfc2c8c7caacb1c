"""SunKing solar home systems for mpm."""

from __future__ import annotations
