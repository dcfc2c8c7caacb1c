"""Lists in statements: the same rows, in few shapes."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpm_host.database.lists import among, as_list

NUMBERS = sa.table("numbers", sa.column("n", sa.Integer))
WORDS = sa.table("words", sa.column("word", sa.String))


def found(engines, values):
    """Ask a database that has the numbers from 0 to 99."""
    counted = sa.select(sa.literal(0).label("n")).cte("counted", recursive=True)
    counted = counted.union_all(sa.select(counted.c.n + 1).where(counted.c.n < 99))
    query = sa.select(counted.c.n).where(among(counted.c.n, "wanted"))
    with engines.read.connect() as connection:
        return set(connection.scalars(query, {"wanted": as_list(values)}))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 99), max_size=70))
def test_among_finds_what_is_in_the_list_and_nothing_else(engines, values):
    assert found(engines, values) == set(values)


NASTY = ["", "'", '"', "{", "}", ",", "\\", "NULL", "null", "a b", "ü", "%(x)s", ":x", "[1]"]


@pytest.mark.parametrize("word", NASTY)
def test_texts_are_found_however_they_are_written(engines, word):
    word_given = sa.select(sa.literal(word).label("word")).cte("given")
    query = sa.select(word_given.c.word).where(among(word_given.c.word, "wanted"))
    with engines.read.connect() as connection:
        assert connection.scalars(query, {"wanted": as_list(NASTY)}).all() == [word]
        assert connection.scalars(query, {"wanted": as_list({*NASTY} - {word})}).all() == []


@pytest.mark.parametrize("size", [0, 1, 2, 63, 64, 65])
def test_lists_of_every_length_make_one_statement(engines, size):
    query = sa.select(NUMBERS.c.n).where(among(NUMBERS.c.n, "wanted"))
    compiled = str(query.compile(dialect=engines.read.dialect)), len(as_list(range(size)))
    written = {
        "sqlite": "SELECT numbers.n \nFROM numbers \n"
        "WHERE numbers.n IN (SELECT value FROM json_each(?))",
        "postgresql": "SELECT numbers.n \nFROM numbers \n"
        "WHERE numbers.n = ANY (%(wanted)s::INTEGER[])",
    }
    assert compiled == (written[engines.read.dialect.name], size)


def test_a_list_is_in_order_and_names_nothing_twice():
    assert as_list(["b", "a", "b"]) == ["a", "b"]


def test_a_text_that_is_longer_than_the_column_finds_nothing(engines):
    short = sa.select(sa.literal("4700").label("serial")).cte("given")
    column = sa.type_coerce(short.c.serial, sa.String(4))
    with engines.read.connect() as connection:
        query = sa.select(short.c.serial).where(among(column, "wanted"))
        assert connection.scalars(query, {"wanted": ["47001"]}).all() == []
        assert connection.scalars(query, {"wanted": ["4700"]}).all() == ["4700"]
