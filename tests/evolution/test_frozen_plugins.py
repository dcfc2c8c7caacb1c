"""Plugins built against core 0.1, frozen as wheels, on the cores of today and tomorrow.

The wheels are what `mpm plugins new` wrote and `uv build` built on 2026-11-21; never build them
anew. A change that makes them fail breaks every plugin in the field: see docs/authors/evolution.md.
"""

from __future__ import annotations

import hashlib

import pytest

from tests.evolution.cores import FROZEN, ROOT, WHEELS, copied_core, play

SUMS = {
    "mpm_frozen_gateway-0.1.0-py3-none-any.whl": "27fbd89cbd1a79840b5ae10952961327",
    "mpm_frozen_meter-0.1.0-py3-none-any.whl": "3655c9e67670e513278a97f6e8a4ff39",
    "mpm_frozen_telecom-0.1.0-py3-none-any.whl": "5c1611fcb8de78213a4c1c09084419c5",
}
TODAY = (
    "58042000008 1000: validated=200 accepted=200 found=200 noted=503 rejected=400 conflict=409"
    " not_found=404 unauthenticated=401 malformed=400 stale=503 unavailable=503"
)
WORKS = {
    "frozen-meter": "accepted 7.6 kWh",
    "frozen-gateway": "sent message-m-1",
}


def test_the_frozen_wheels_are_the_ones_that_were_frozen():
    sums = {
        wheel.name: hashlib.blake2b(wheel.read_bytes(), digest_size=16).hexdigest()
        for wheel in WHEELS
    }
    assert sums == SUMS


def test_the_frozen_plugins_work_with_todays_core():
    told = play(*FROZEN)

    assert told["core"] == str(ROOT / "src" / "mpm_core")
    assert {name: told[name] for name in FROZEN} == {**WORKS, "frozen-telecom": TODAY}


def test_the_frozen_plugins_work_with_a_next_core_whose_contract_has_grown(tmp_path):
    """Every hook has an argument more, values have fields more, and there are more words."""
    told = play(*FROZEN, core=copied_core(tmp_path, "0.2.0", grown=True))

    assert told["core"] == str(tmp_path / "mpm_core")
    assert {name: told[name] for name in FROZEN} == {
        **WORKS,
        "frozen-telecom": f"{TODAY} later=503",  # a word it does not know is never a *no*
    }


@pytest.mark.parametrize("version", ["0.3.0", "1.0.0", "0.0.9"])
def test_the_frozen_plugins_are_refused_outside_their_window_without_being_imported(
    version, tmp_path
):
    told = play(*FROZEN, core=copied_core(tmp_path, version))

    for name in FROZEN:
        assert told[f"{name} imported"] is False
        assert told[name] == (
            f"PluginLoadError: Plugin '{name}' (mpm-{name} 0.1.0) cannot be used: it needs"
            f" mpm-payg-core <0.3,>=0.1, but {version} is installed; install a version of it made"
            " for this core."
        )


# --- a plugin from tomorrow -----------------------------------------------------------------------

CODE = """
from typing import ClassVar
import attrs
from mpm_core import DeviceKind, Health, Manifest, PluginKind, hookimpl

@attrs.frozen(kw_only=True)
class Settings:
    pass

class Tomorrow:
    manifest: ClassVar[Manifest] = Manifest(
        kind=PluginKind.MANUFACTURER, title="Tomorrow", settings_class=Settings,
        device_kinds={DeviceKind.METER},
    )
    def __init__(self, settings, runtime):
        pass

    @hookimpl
    def mpm_check(self, later, context):
        return Health(ok=True, detail=later)
"""


@pytest.mark.parametrize(
    ("requires", "message"),
    [
        pytest.param(
            ">=0.2,<0.4",
            "Plugin 'tomorrow' (mpm-tomorrow 1) cannot be used: it needs mpm-payg-core <0.4,>=0.2,"
            " but 0.1.0 is installed; install a version of it made for this core.",
            id="that says so",
        ),
        pytest.param(
            ">=0.1",
            "Plugin 'tomorrow' (mpm-tomorrow 1): Tomorrow.mpm_check takes 'later', which the hook"
            " does not have; write: def mpm_check(self, context):",
            id="that does not say so",
        ),
    ],
)
def test_a_plugin_from_tomorrow_is_refused_by_todays_core(requires, message, tmp_path):
    site = tmp_path / "site"
    metadata = site / "mpm_tomorrow-1.dist-info"
    metadata.mkdir(parents=True)
    (site / "mpm_tomorrow.py").write_text(CODE)
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: mpm-tomorrow\nVersion: 1\n"
        f"Requires-Dist: mpm-payg-core{requires}\n"
    )
    (metadata / "entry_points.txt").write_text(
        "[mpm_core.plugins]\ntomorrow = mpm_tomorrow:Tomorrow\n"
    )
    core = copied_core(tmp_path / "core", "0.1.0")

    told = play("tomorrow", core=core, also=site)
    assert told["tomorrow"] == f"PluginLoadError: {message}"
