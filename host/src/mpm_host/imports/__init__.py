"""CSV files of customers and devices: read, checked and stored."""

from __future__ import annotations
