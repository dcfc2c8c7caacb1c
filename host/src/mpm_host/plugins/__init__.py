"""Plugins of companies: found, loaded with their settings, diagnosed."""

from __future__ import annotations
