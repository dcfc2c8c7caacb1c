"""The HTTP API under `/api/v1`: operations as data, one door that runs them, one description."""

from __future__ import annotations
