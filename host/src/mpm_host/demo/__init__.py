"""The demo and the simulated world it plays in."""

from __future__ import annotations
