"""Settings that belong together, and what a person is told when they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpm_core import Health, Secret, SettingsError, read_settings
from mpm_core.settings import SettingsPlace
from mpm_core.settings.forms import documentation_table
from mpm_vodacom.plugin import Vodacom
from mpm_vodacom.settings import VodacomSettings
from mpm_vodacom.simulator import FAULTS

WHOSE = "Company 'luz', instance 'vodacom', setting"


@pytest.mark.parametrize("name", ["api_key_previous", "signature_secret"])
def test_empty_secret_is_refused_by_name(make_vodacom, name):
    with pytest.raises(SettingsError) as caught:
        make_vodacom(**{name: Secret("")})
    assert str(caught.value) == f"{WHOSE} {name!r} is empty; set the text agreed with Vodacom."


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("[A-Z", "unterminated character set at position 0"),
        ("a{99999999999}", "the repetition number is too large"),
    ],
)
def test_pattern_that_is_no_regular_expression_is_refused(make_vodacom, pattern, why):
    with pytest.raises(SettingsError) as caught:
        make_vodacom(serial_pattern=pattern)
    assert str(caught.value) == (
        f"{WHOSE} 'serial_pattern' {pattern!r} is no regular expression ({why}); correct it."
    )


TOO_LONG = (
    "may take too long; write characters, classes and groups, repeat no group, and use * and + "
    "at most twice."
)


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("(a+)+b", id="repeat-within-a-repeat"),
        pytest.param("^([A-Za-z0-9]+-?)+$", id="words-with-hyphens"),
        pytest.param("(a*)*", id="nothing-repeated"),
        pytest.param("(){1000}", id="empty-group-repeated"),
        pytest.param("(a|aa)+b", id="alternatives-repeated"),
        pytest.param("a*a*a*a*a*b", id="many-repeats"),
        pytest.param("a{0,64}a{,64}a*?b", id="bounded-repeats"),
        pytest.param("(a*)?(a*)?(a*)?b", id="repeats-in-optional-groups"),
        pytest.param("a{}+a{}+a{}+", id="repeated-braces"),
        pytest.param("(?:a?){50}a{50}", id="optional-group-repeated"),
        pytest.param("a?" * 50 + "a{50}", id="optional-characters"),
        pytest.param("(a?|b?)" * 7, id="optional-alternatives"),
        pytest.param("(?=a+)a+", id="look-ahead"),
        pytest.param("(?<!a)a+", id="look-behind"),
        pytest.param(r"(a+)\1", id="reference-back"),
        pytest.param("(?P<a>a)", id="named-group"),
        pytest.param("(?x)a + a +", id="other-flags"),
        pytest.param("a" * 201, id="long-pattern"),
        pytest.param("(" * 5000 + ")" * 5000, id="deep-pattern"),
    ],
)
def test_pattern_that_may_take_long_is_refused(make_vodacom, pattern):
    with pytest.raises(SettingsError) as caught:
        make_vodacom(serial_pattern=pattern)
    assert str(caught.value) == f"{WHOSE} 'serial_pattern' {pattern!r} {TOO_LONG}"


def test_settings_are_read_from_the_configuration_file():
    settings = read_settings(
        VodacomSettings,
        {"api_key": {"env": "VODACOM_KEY"}, "signature_tolerance": 60},
        place=SettingsPlace(company="luz", instance="vodacom", plugin="vodacom"),
        environ={"VODACOM_KEY": "hidden"},
        folder=Path(),
    )
    assert settings == VodacomSettings(api_key=Secret("hidden"), signature_tolerance=60)
    assert "hidden" not in repr(settings)


def test_manifest_says_what_vodacom_can_send():
    manifest = Vodacom.manifest
    assert manifest.callback_paths == (
        "transactions/validate",
        "transactions/process",
        "transactions/query",
    )
    assert (manifest.minimum_amount, manifest.maximum_amount) == ("1", "5000000")
    assert manifest.payment_step == {"TZS": 100}


def test_check_says_that_only_vodacom_calls(vodacom):
    assert vodacom.mpm_check() == Health(
        ok=True, detail="Vodacom calls us; give it this instance's callback URL."
    )


def test_readme_shows_the_settings_and_names_every_fault():
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    assert documentation_table(VodacomSettings).strip() in readme
    assert [fault for fault in FAULTS if f"`{fault}`" not in readme] == []
