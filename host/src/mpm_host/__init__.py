"""The host: wires mpm_core and the plugins to persistence, HTTP, workers and a CLI."""

from __future__ import annotations
