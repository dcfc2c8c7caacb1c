"""Agents: people in a mini-grid who sell, and who hold the company's cash for a while."""

from __future__ import annotations
