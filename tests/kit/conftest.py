"""One loopback server for the whole folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mpm_core.testing import Workshop, open_workshop


@pytest.fixture(scope="session")
def workshop() -> Iterator[Workshop]:
    with open_workshop() as opened:
        yield opened
