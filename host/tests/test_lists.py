"""Lists in statements: the same rows, in few shapes."""

from __future__ import annotations

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from mpm_host.database.lists import among

NUMBERS = sa.table("numbers", sa.column("n", sa.Integer))


def found(values):
    """Ask a database that has the numbers from 0 to 99."""
    engine = sa.create_engine("sqlite://")
    counted = sa.select(sa.literal(0).label("n")).cte("counted", recursive=True)
    counted = counted.union_all(sa.select(counted.c.n + 1).where(counted.c.n < 99))
    with engine.connect() as connection:
        return set(connection.scalars(sa.select(counted.c.n).where(among(counted.c.n, values))))


@given(st.lists(st.integers(0, 99), max_size=70))
def test_among_finds_what_is_in_the_list_and_nothing_else(values):
    assert found(values) == set(values)


def test_lists_up_to_a_full_batch_make_seven_shapes_of_statement():
    shapes = {len(among(NUMBERS.c.n, range(size)).right.value) for size in range(1, 65)}
    assert shapes == {1, 2, 4, 8, 16, 32, 64}
