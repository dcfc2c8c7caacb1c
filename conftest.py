"""Fixtures that tests of more than one distribution share."""

from __future__ import annotations

pytest_plugins = ("tests.support.databases",)
