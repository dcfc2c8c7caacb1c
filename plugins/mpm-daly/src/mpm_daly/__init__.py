"""Daly e-bikes for mpm: switched on while they are paid for."""

from __future__ import annotations
