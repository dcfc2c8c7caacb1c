from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from mpm_core import UserError
from mpm_core.scaffold import check_new_name, check_title, compatible_range
from tests.scaffold.variants import plan

RULE = (
    "is no name for a plugin: use lower-case letters, digits and single hyphens, a letter first,"
    " without 'mpm-'; write for example:"
)


def refusal(check, *arguments) -> str:
    with pytest.raises(UserError) as caught:
        check(*arguments)
    return str(caught.value)


@pytest.mark.parametrize("name", ["stron", "x", "a2", "solar-home-2", "abcdefghijklmnopqrstuvwx"])
def test_a_good_name_is_accepted(name):
    check_new_name(name, {"calin"})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("Stron", f"'Stron' {RULE} stron", id="capital"),
        pytest.param("mpm-stron", f"'mpm-stron' {RULE} stron", id="distribution"),
        pytest.param("solar_home", f"'solar_home' {RULE} solar-home", id="underscore"),
        pytest.param("a--b", f"'a--b' {RULE} a-b", id="two hyphens"),
        pytest.param("2win", f"'2win' {RULE} stron", id="digit first"),
        pytest.param("é", f"'é' {RULE} stron", id="other letters"),
        pytest.param("", f"'' {RULE} stron", id="nothing"),
        pytest.param("stron\n", f"'stron\\n' {RULE} stron", id="line end"),
        pytest.param("../stron", f"'../stron' {RULE} stron", id="path"),
        pytest.param(
            "a" * 25,
            f"'{'a' * 25}' has 25 characters; a plugin's name has at most 24.",
            id="too long",
        ),
        pytest.param("class", "'class' is a word of Python; choose another name.", id="keyword"),
        pytest.param(
            "host",
            "mpm-host is a distribution of the project; choose another name.",
            id="the host's own",
        ),
        pytest.param(
            "calin",
            "A plugin 'calin' is installed already; choose another name, or uninstall it first.",
            id="taken",
        ),
    ],
)
def test_a_bad_name_is_refused_with_one_plain_line(name, message):
    assert refusal(check_new_name, name, {"calin"}) == message


@pytest.mark.parametrize("title", ["Stron", "A & B (meters), Ltd.", "Énergie d'Afrique", "X"])
def test_a_good_title_is_accepted(title):
    check_title(title)


@pytest.mark.parametrize(
    "title", ["", " x", "x ", 'a"b', "a\\b", "a{b}", "a$b", "a\nb", "x" * 41, "-a", "_a", "a`b"]
)
def test_a_title_that_would_break_a_file_is_refused(title):
    assert refusal(check_title, title) == (
        f"{title!r} is no title: use 1 to 40 letters, digits, blanks and any of .,&()/+'-,"
        " a letter or digit first."
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stron", ("mpm-stron", "mpm_stron", "Stron")),
        ("solar-home-2", ("mpm-solar-home-2", "mpm_solar_home_2", "SolarHome2")),
    ],
)
def test_a_plan_has_one_name_in_three_spellings(name, words):
    made = plan(name)
    assert (made.distribution, made.module, made.prefix) == words


@given(major=st.integers(0, 9), minor=st.integers(0, 99), patch=st.integers(0, 99))
def test_a_plugin_works_with_its_minor_version_and_the_next_and_no_other(major, minor, patch):
    accepted = SpecifierSet(compatible_range(f"{major}.{minor}.{patch}"))
    fits = [f"{major}.{minor}.{patch}", f"{major}.{minor}.0", f"{major}.{minor + 1}.99"]
    fits_not = [f"{major}.{minor + 2}.0", f"{major + 1}.0.0"]
    if minor:
        fits_not.append(f"{major}.{minor - 1}.99")
    assert [number in accepted for number in fits] == [True] * len(fits)
    assert [number in accepted for number in fits_not] == [False] * len(fits_not)
