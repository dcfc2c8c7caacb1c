"""Messages to customers: written, sent, shown."""

from __future__ import annotations
