"""`mpm.toml`: found, read and checked."""

from __future__ import annotations
