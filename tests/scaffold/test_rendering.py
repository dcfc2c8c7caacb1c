from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_core.scaffold.rendering import render

TEMPLATE = """first ${name}
%% if keyed
keyed
%% if not energy
days
%% else
energy
%% end
%% else
not keyed
%% end
last $$5
"""


@pytest.mark.parametrize(
    ("features", "middle"),
    [
        (set(), "not keyed\n"),
        ({"energy"}, "not keyed\n"),
        ({"keyed"}, "keyed\ndays\n"),
        ({"keyed", "energy"}, "keyed\nenergy\n"),
    ],
)
def test_render_fills_words_in_and_chooses_lines(features, middle):
    assert render(TEMPLATE, {"name": "stron"}, features) == f"first stron\n{middle}last $5\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("%% end\n", "'%% end' does not fit here."),
        ("%% else\n", "'%% else' does not fit here."),
        ("%% if\n", "'%% if' does not fit here."),
        ("%% when x\n", "'%% when x' does not fit here."),
        ("%% if x\n", "An `%% if` has no `%% end`."),
    ],
)
def test_render_refuses_blocks_that_do_not_fit(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        render(text, {}, set())


def test_render_refuses_a_word_it_does_not_know():
    with pytest.raises(KeyError):
        render("${nmae}", {"name": "x"}, set())


@given(st.text(alphabet=st.characters(exclude_characters="$%\r"), max_size=200))
def test_render_leaves_plain_text_alone(text):
    assert render(text, {}, set()) == text
