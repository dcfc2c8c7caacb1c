"""Places, tariffs, appliances, customers and their devices."""

from __future__ import annotations
