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


def test_pattern_that_is_no_regular_expression_is_refused(make_vodacom):
    with pytest.raises(SettingsError) as caught:
        make_vodacom(serial_pattern="[A-Z")
    assert str(caught.value) == (
        f"{WHOSE} 'serial_pattern' '[A-Z' is no regular expression "
        "(unterminated character set at position 0); correct it."
    )


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
