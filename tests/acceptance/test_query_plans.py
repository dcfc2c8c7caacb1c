"""What the tests of statements take for reading a table as a whole, on both databases."""

from __future__ import annotations

import pytest

from tests.support.query_plans import scanning_statements

KEY = "'0123456789abcdef0123456789abcdef'"
READ_ALL = [
    pytest.param("SELECT amount FROM mpm_payment", id="rows"),
    pytest.param("SELECT count(*) FROM mpm_payment", id="count-by-an-index"),
    pytest.param("SELECT id FROM mpm_payment ORDER BY id", id="index-for-its-order"),
    pytest.param("SELECT id FROM mpm_payment WHERE amount = 7 ORDER BY id", id="index-and-filter"),
    pytest.param("UPDATE mpm_payment SET amount = 7 WHERE amount = 8", id="update"),
]
READ_SOME = [
    pytest.param(f"SELECT amount FROM mpm_payment WHERE id = {KEY}", id="by-key"),  # noqa: S608 - constants
    pytest.param(
        f"SELECT e.amount FROM mpm_payment p JOIN mpm_entry e ON e.payment_id = p.id WHERE p.id = {KEY}",  # noqa: E501, S608 - constants; one statement
        id="join-by-key",
    ),
    pytest.param("SELECT slug FROM mpm_company", id="a-table-that-does-not-grow"),
]


@pytest.mark.parametrize("statement", READ_ALL)
def test_a_statement_that_reads_a_table_as_a_whole_is_found(engines, statement):
    assert scanning_statements(engines.write, [(statement, ())]) == {statement}


@pytest.mark.parametrize("statement", READ_SOME)
def test_a_statement_that_reads_by_an_index_is_not_found(engines, statement):
    assert scanning_statements(engines.write, [(statement, ())]) == set()
