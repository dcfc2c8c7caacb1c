"""Fixtures that tests of more than one distribution share."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("project", deadline=None)  # no test fails for a slow machine
settings.load_profile("project")

pytest_plugins = (
    "tests.support.databases",
    "tests.support.installed_plugins",
    "tests.support.hosts",
    "tests.support.command_line",
    "tests.support.running_world",
    "tests.support.shared_statements",
)
