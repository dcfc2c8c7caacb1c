"""The public names of the contract are frozen: nothing goes or changes by accident.

Write the list anew with MPM_WRITE_GOLDEN=1. Lines may be added, and words at the end of a line;
what is changed or gone breaks plugins in the field, so first read docs/authors/evolution.md.
"""

from __future__ import annotations

import os
from pathlib import Path

import mpm_core
from mpm_core import hookspecs
from mpm_core.discovery.plugin_checks import hook_arguments
from tests.core.public_names import contract_lines

GOLDEN = Path(__file__).parent / "golden" / "public_names.txt"
ADVICE = (
    "The public contract changed. If you meant it, read docs/authors/evolution.md, then run"
    " MPM_WRITE_GOLDEN=1 pytest tests/core/test_public_names.py and commit the difference."
)


def test_the_public_names_are_those_of_the_golden_list():
    lines = contract_lines()
    if os.environ.get("MPM_WRITE_GOLDEN"):
        GOLDEN.write_text("\n".join(lines) + "\n", encoding="utf-8")

    frozen = GOLDEN.read_text(encoding="utf-8").splitlines()
    assert list(lines) == frozen, ADVICE


def test_every_public_name_is_there_once():
    assert len(set(mpm_core.__all__)) == len(mpm_core.__all__)
    assert [name for name in mpm_core.__all__ if not hasattr(mpm_core, name)] == []


def test_every_hook_has_a_docstring_and_only_annotated_arguments():
    for name, arguments in hook_arguments().items():
        specification = getattr(hookspecs, name)
        assert specification.__doc__, name
        assert set(specification.__annotations__) == {*arguments, "return"}, name
