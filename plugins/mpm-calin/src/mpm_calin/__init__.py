"""Calin prepaid meters (v1 token API) for mpm."""

from __future__ import annotations
