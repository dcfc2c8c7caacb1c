"""Engines: connections end with them, also those that are in use at the end."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from mpm_host.database.engines import close_for_good


def is_closed(connection):
    """Ask a driver's connection for something."""
    try:
        connection.execute("SELECT 1")
    except Exception as error:  # noqa: BLE001 - each driver has its own
        return "closed" in str(error)
    return False


@pytest.fixture
def engine(engines):
    return engines.write


def test_an_idle_connection_is_closed_at_once(engine):
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
    assert not is_closed(driver)
    close_for_good(engine)
    assert is_closed(driver)


def test_a_connection_in_use_can_be_used_to_its_end_and_is_closed_then(engine):
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        close_for_good(engine)
        assert connection.execute(sa.text("SELECT 1")).scalar_one() == 1
    assert is_closed(driver)


def test_the_end_of_a_host_closes_what_its_threads_give_back_later(engines):
    with engines.read.connect() as connection:
        driver = connection.connection.driver_connection
        engines.dispose()
    assert is_closed(driver)
