from __future__ import annotations

import pytest

from mpm_calin.plugin import Calin
from mpm_calin.settings import CalinSettings
from mpm_core import ChargeKind, DeviceKind, Operation, OrphanEffect, PluginKind, Recovery

MANIFEST = Calin.manifest


def test_the_manifest_says_that_a_lost_answer_is_lost_for_good():
    assert MANIFEST.operations == {
        ChargeKind.ENERGY: Operation(
            recovery=Recovery.NONE, orphan_effect=OrphanEffect.CHARGES_VENDOR_BALANCE
        )
    }
    assert (MANIFEST.supports_lookup, MANIFEST.supports_find) == (False, False)


def test_the_manifest_says_what_calin_sells():
    assert MANIFEST.kind is PluginKind.MANUFACTURER
    assert MANIFEST.device_kinds == {DeviceKind.METER}
    assert MANIFEST.energy_step == 100
    assert MANIFEST.settings_class is CalinSettings
    assert MANIFEST.url_settings == ("api_url",)
    assert MANIFEST.deadline == 35.0


@pytest.mark.parametrize(
    ("serial", "good"),
    [
        pytest.param("47000124512", True, id="11 digits"),
        pytest.param("47000268748", True, id="11 digits with a wrong check digit"),
        pytest.param("0101189000116", True, id="13 digits, leading zero"),
        pytest.param("470001245121", False, id="12 digits"),
        pytest.param("4700012451", False, id="10 digits"),
        pytest.param("4700012451a", False, id="letter"),
        pytest.param("٤٧٠٠٠١٢٤٥١٢", False, id="other digits"),
        pytest.param("47000124512\n", False, id="line end"),
    ],
)
def test_the_serial_pattern_takes_meter_numbers_of_11_and_13_digits(serial, good):
    assert bool(MANIFEST.serial_pattern.fullmatch(serial)) is good


@pytest.mark.parametrize(
    ("code", "good"),
    [
        pytest.param("02754505010133538790", True, id="leading zero"),
        pytest.param("3841 1783 7998 6664 5789", False, id="groups"),
        pytest.param("3841178379986664578", False, id="19 digits"),
        pytest.param("3841178379986664578x", False, id="letter"),
    ],
)
def test_the_token_pattern_takes_20_digits(code, good):
    assert bool(MANIFEST.token_pattern.fullmatch(code)) is good


def test_every_result_code_names_its_source():
    assert [(code.code, code.meaning) for code in MANIFEST.result_codes] == [
        ("0", "accepted"),
        ("0", "unknown"),
        ("*", "refused"),
    ]
    assert all(code.source for code in MANIFEST.result_codes)
