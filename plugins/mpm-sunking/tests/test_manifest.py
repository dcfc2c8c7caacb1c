from __future__ import annotations

import pytest

from mpm_core import ChargeKind, DeviceKind, Operation, OrphanEffect, PluginKind, Recovery
from mpm_sunking.plugin import SunKing
from mpm_sunking.settings import SunKingSettings

MANIFEST = SunKing.manifest


def test_the_manifest_says_that_days_add_up_and_an_unlock_does_not():
    assert MANIFEST.operations == {
        ChargeKind.TIME: Operation(
            recovery=Recovery.NONE, orphan_effect=OrphanEffect.HARMLESS, blocks_device=False
        ),
        ChargeKind.UNLOCK: Operation(
            recovery=Recovery.DESIRED_STATE,
            orphan_effect=OrphanEffect.HARMLESS,
            blocks_device=False,
        ),
    }


def test_the_manifest_says_what_sunking_does():
    assert MANIFEST.kind is PluginKind.MANUFACTURER
    assert MANIFEST.device_kinds == {DeviceKind.SHS}
    assert (MANIFEST.supports_lookup, MANIFEST.supports_find) == (True, False)
    assert MANIFEST.settings_class is SunKingSettings
    assert MANIFEST.url_settings == ("auth_url", "api_url")


@pytest.mark.parametrize(
    ("serial", "good"),
    [
        ("996995411", True),
        ("00123", True),
        ("1234", False),
        ("99699541a", False),
        ("1" * 21, False),
    ],
)
def test_the_serial_pattern_takes_digits(serial, good):
    assert bool(MANIFEST.serial_pattern.fullmatch(serial)) is good


def test_every_result_code_names_its_source():
    assert {code.meaning for code in MANIFEST.result_codes} == {
        "accepted",
        "misconfigured",
        "refused",
        "unknown",
    }
    assert all(code.source for code in MANIFEST.result_codes)
