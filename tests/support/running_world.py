"""A running world per module and database, and a company of its own for every test."""

from __future__ import annotations

import shutil

import httpx
import pytest


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request, tmp_path_factory):
    """Simulated telecoms and manufacturers around a host with a real database."""
    from mpm_host.demo.simulated_world import simulated_world  # noqa: PLC0415 - only if it is used

    folder = tmp_path_factory.mktemp("world")
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("sqlite_template"), folder / "demo.db")
        with simulated_world(folder) as running:
            yield running
        return
    server = request.getfixturevalue("postgresql")
    template = request.getfixturevalue("postgres_template")
    with (
        server.database(template=template) as url,
        simulated_world(folder, database=url) as running,
    ):
        yield running


@pytest.fixture(scope="session")
def http():
    """A telecom's connections."""
    with httpx.Client(timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def company(world, http):
    """A company with the four plugins."""
    return _company(world, http)


@pytest.fixture
def another_company(world, http):
    """A second one."""
    return _company(world, http)


def _company(world, http):
    from tests.support.trial_company import trial_company  # noqa: PLC0415 - only if it is used

    trial = trial_company(world, http)
    trial.enable_all()
    return trial
