"""HTTP: the telecoms' callbacks and what operations ask."""

from __future__ import annotations
