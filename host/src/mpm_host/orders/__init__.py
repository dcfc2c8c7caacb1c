"""Orders: what is owed to devices, and how it gets there."""

from __future__ import annotations
