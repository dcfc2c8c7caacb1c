"""Every row of the fault matrix, and of how much is tested, is played by a test that exists.

The rows' texts are in the product's specification, which is no part of this repository; the table
says each in a few words, names its tests, and says what of it is left out, with the reason.
"""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path

import pytest

from mpm_core.testing import RULES

ROOT = Path(__file__).parents[2]
ROWS = tomllib.loads((Path(__file__).with_name("fault_rows.toml")).read_text("utf-8"))
COUNTS = {"P": 16, "C": 15, "M": 17, "S": 3, "H": 2, "T": 18}


@lru_cache
def names_of_tests(path):
    """Return the names of a file's tests."""
    return set(re.findall(r"^def (test_\w+)\(", (ROOT / path).read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_row_is_played_by_tests_that_exist(row):
    assert row.keys() <= {"fault", "tests", "left_out"}
    assert row["tests"]
    for named in row["tests"]:
        path, _, test = named.partition("::")
        assert test in names_of_tests(path), (
            f"{path} has no {test}; name the test that plays this now"
        )


def test_no_row_is_missing():
    every = [f"{letter}{n}" for letter, count in COUNTS.items() for n in range(1, count + 1)]
    assert list(ROWS) == every


def test_every_vendor_fault_is_a_rule_for_every_plugin():
    assert {f"M-{number:02}" for number in range(1, COUNTS["M"] + 1)} <= set(RULES)


def test_what_is_left_out_has_a_reason():
    assert all(row.get("left_out", "Nothing.").endswith(".") for row in ROWS.values())
