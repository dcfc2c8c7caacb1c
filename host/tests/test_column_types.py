"""Column types: remarks from anywhere are stored as lines that fit."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpm_host.database.column_types import Remark

TABLE = sa.Table("remark", sa.MetaData(), sa.Column("text", Remark(20)))


@pytest.fixture
def stored(engines):
    """Store a remark and read it back."""
    TABLE.create(engines.write)

    def store(text):
        with engines.write.begin() as connection:
            connection.execute(sa.delete(TABLE))
            connection.execute(sa.insert(TABLE).values(text=text))
            return connection.execute(sa.select(TABLE.c.text)).scalar_one()

    yield store
    TABLE.drop(engines.write)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("Meter not found", "Meter not found", id="plain"),
        pytest.param("Compteur inconnu: é", "Compteur inconnu: é", id="accents"),
        pytest.param("a\x00b\nc", "a b c", id="NUL and line"),
        pytest.param("half \ud83d here", "half   here", id="half a character"),
        pytest.param("x" * 21, "x" * 20, id="too long"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_a_remark_is_stored_as_one_line_that_fits(stored, text, line):
    assert stored(text) == line


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(), max_size=40))
def test_no_remark_costs_what_is_written_with_it(stored, text):
    line = stored(text)
    assert line == stored(line)
    assert len(line) == min(len(text), 20)
