"""What operations look at: metrics, and whether this process can do its work."""

from __future__ import annotations
