"""Every worked example (E-01 to E-74) and case (T-01 to T-97) of the domain is accounted for.

Their texts are in the product's specification, which is no part of this repository. Each is named
by a test, in its name, its id or its docstring, or is excepted here, with the reason.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = tuple(f"E-{number:02}" for number in range(1, 75))
CASES = tuple(f"T-{number:02}" for number in range(1, 98))
NO_SMS_PARSER = "Payments read from a telecom's SMS are another product's plugin; we have none."
EXCEPTED = {
    "T-65": "The bodies of Swifta's errors; what ours answer is in test_bad_calls.",
    "T-81": "Reminders and tickets are no part of this product yet.",
    "T-85": NO_SMS_PARSER,
    "T-86": NO_SMS_PARSER,
    "T-87": NO_SMS_PARSER,
    "T-88": NO_SMS_PARSER,
    "T-89": "Swifta's own cipher and statuses; what ours refuse is in test_bad_calls.",
    "T-96": "There is no plugin for SparkShs.",
    "T-97": "There is no plugin for Steama.",
}
# `E-08` in an id or a docstring, `test_e_08_and_t_12_…` in a name, `test_e46_…` too.
_NAMED = re.compile(r"(?<![A-Za-z])([ET])-(\d\d)(?!\d)|(?<=_)([et])_?(\d\d)(?=_|\()")
# The contract kit's catalogue numbers its own rules T-01 and so on.
_OTHER_NUMBERS = ("kit", "architecture")


def sources():
    for folder in ("tests", "host/tests", "plugins"):
        for path in (ROOT / folder).rglob("test_*.py"):
            if path.relative_to(ROOT).parts[1] not in _OTHER_NUMBERS:
                yield path


def named_in(text):
    return {
        f"{(found[1] or found[3]).upper()}-{found[2] or found[4]}"
        for found in _NAMED.finditer(text)
    }


@pytest.fixture(scope="module")
def named():
    return set().union(*(named_in(path.read_text(encoding="utf-8")) for path in sources()))


@pytest.mark.parametrize("case", EXAMPLES + CASES)
def test_a_case_of_the_domain_has_a_test_or_a_reason(named, case):
    assert (case in named) != (case in EXCEPTED), "name it in a test, or say why there is none"


def test_every_exception_is_a_case_and_has_a_reason():
    assert EXCEPTED.keys() <= {*EXAMPLES, *CASES}
    assert all(reason.endswith(".") for reason in EXCEPTED.values())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('"E-08": Example(', {"E-08"}),
        ('"E-34-T-12": (', {"E-34", "T-12"}),
        ("def test_e_57_and_t_26_a_down_payment():", {"E-57", "T-26"}),
        ("def test_e46_debts_stay():", {"E-46"}),
        ('"""T-12, T-19: paid."""', {"T-12", "T-19"}),
        ("def test_at_12_oclock():", set()),
        ("E-123, SET-12", set()),
    ],
)
def test_names_are_found_where_they_are_written(text, names):
    assert named_in(text) == names
