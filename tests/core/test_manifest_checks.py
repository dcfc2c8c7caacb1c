"""What is refused of a manifest at load, and what to write instead."""

from __future__ import annotations

import re
from datetime import date
from typing import ClassVar

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpm_core import (
    ChargeKind,
    DeviceKind,
    Manifest,
    Operation,
    OrphanEffect,
    PluginKind,
    Recovery,
    ResultCode,
    hookimpl,
    setting,
)
from mpm_core.discovery.plugin_checks import class_problems, hook_arguments
from mpm_core.manifest_checks import manifest_problems

OPERATION = Operation(recovery=Recovery.NONE, orphan_effect=OrphanEffect.HARMLESS)
CODE = ResultCode(
    code="0", meaning="accepted", text="OK", source="manual", seen_on=date(2026, 1, 15)
)


@attrs.frozen(kw_only=True)
class Settings:
    api_url: str = setting(help="u", kind="url")


def manifest(**changes: object) -> Manifest:
    sound = Manifest(
        kind=PluginKind.MANUFACTURER,
        title="Acme",
        settings_class=Settings,
        device_kinds=frozenset({DeviceKind.METER}),
        operations={ChargeKind.ENERGY: OPERATION},
        energy_step=100,
        callback_paths=("notice", "c2b/validate"),
        currencies=frozenset({"TZS"}),
        payment_step={"TZS": 100},
        minimum_amount="1",
        maximum_amount="199.50",
        serial_pattern="[0-9]{2}",
        token_pattern="[0-9]{20}",
        example_serial="47",
        url_settings=("api_url",),
        result_codes=(CODE,),
    )
    return attrs.evolve(sound, **changes)


def test_a_sound_manifest_has_no_problem():
    assert list(manifest_problems(manifest())) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param(
            {"kind": "manufacturer"},
            "kind is 'manufacturer'; write: kind=PluginKind.MANUFACTURER, TELECOM or MESSENGER",
            id="kind as text",
        ),
        pytest.param(
            {"settings_class": None},
            "settings_class is None; write: settings_class=MySettings, the class itself",
            id="no settings class",
        ),
        pytest.param(
            {"details_class": "Details"},
            "details_class is 'Details'; write: details_class=MyDetails, the class itself",
            id="details as text",
        ),
        pytest.param(
            {"title": " "},
            "title is ' '; write: title=\"Acme (v2 API)\", the name people know",
            id="blank title",
        ),
        pytest.param(
            {"callback_paths": ("notice")},
            "callback_paths is 'notice'; write: callback_paths=('notice',), with the comma of a"
            " tuple",
            id="forgotten comma",
        ),
        pytest.param(
            {"url_settings": "api_url"},
            "url_settings is 'api_url'; write: url_settings=('api_url',), with the comma of a"
            " tuple",
            id="text for a tuple",
        ),
        pytest.param(
            {"url_settings": ["api_url"]},
            "url_settings is ['api_url']; write: url_settings=(\"…\",), a tuple of texts",
            id="list for a tuple",
        ),
        pytest.param(
            {"callback_paths": ("/notice",)},
            "callback_paths is '/notice'; write: a path such as \"c2b/validate\", without / around",
            id="slash before a path",
        ),
        pytest.param(
            {"example_serial": 47},
            'example_serial is 47; write: example_serial="47", in quotes',
            id="serial as number",
        ),
        pytest.param(
            {"example_serial": "474"},
            "example_serial is '474'; write: one that matches serial_pattern [0-9]{2}",
            id="serial that does not match",
        ),
        pytest.param(
            {"token_pattern": 20},
            'token_pattern is 20; write: token_pattern=r"[0-9]{20}", what every code matches as a'
            " whole",
            id="token as number",
        ),
        pytest.param(
            {"token_pattern": re.compile(b"[0-9]{20}")},
            "token_pattern is re.compile(b'[0-9]{20}'); write: token_pattern=r\"[0-9]{20}\", what"
            " every code matches as a whole",
            id="token as bytes",
        ),
        pytest.param(
            {"energy_step": "100"},
            "energy_step is '100'; write: energy_step=100, a whole number above zero",
            id="step as text",
        ),
        pytest.param(
            {"concurrency": 0},
            "concurrency is 0; write: concurrency=8, a whole number from 1 to 200",
            id="no calls at all",
        ),
        pytest.param(
            {"deadline": 0},
            "deadline is 0; write: deadline=35.0, seconds, 120 at most",
            id="no time at all",
        ),
        pytest.param(
            {"supports_lookup": "yes"},
            "supports_lookup is 'yes'; write: supports_lookup=True or False",
            id="switch as text",
        ),
        pytest.param(
            {"minimum_amount": 1000},
            'minimum_amount is 1000; write: minimum_amount="1000", major units in quotes',
            id="amount as number",
        ),
        pytest.param(
            {"maximum_amount": "1,000"},
            "maximum_amount is '1,000'; write: maximum_amount=\"1000\", major units in quotes",
            id="amount with a comma",
        ),
        pytest.param(
            {"device_kinds": {"meter"}},
            "device_kinds is 'meter'; write: device_kinds={DeviceKind.METER}",
            id="device kind as text",
        ),
        pytest.param(
            {"operations": {"energy_": OPERATION}},
            f"operations is {{'energy_': {OPERATION!r}}}; write:"
            " operations={ChargeKind.ENERGY: Operation(…)}",
            id="operation under a text",
        ),
        pytest.param(
            {"operations": {ChargeKind.TIME: attrs.evolve(OPERATION, recovery="keyed")}},
            "recovery of time is 'keyed'; write: recovery=Recovery.NONE, or another",
            id="recovery as text",
        ),
        pytest.param(
            {"operations": {ChargeKind.TIME: attrs.evolve(OPERATION, orphan_effect=None)}},
            "orphan_effect of time is None; write:"
            " orphan_effect=OrphanEffect.CHARGES_VENDOR_BALANCE, or another",
            id="no orphan effect",
        ),
        pytest.param(
            {"currencies": "TZS"},
            "currencies is 'TZS'; write: currencies={\"TZS\"}, a set",
            id="one text of currencies",
        ),
        pytest.param(
            {"currencies": {"tzs"}},
            "currencies or payment_step is 'tzs'; write: a code of ISO 4217, such as \"TZS\"",
            id="currency in small letters",
        ),
        pytest.param(
            {"payment_step": 100},
            'payment_step is 100; write: payment_step={"TZS": 100}, in minor units',
            id="step without currency",
        ),
        pytest.param(
            {"payment_step": {"TZS": "100"}},
            "payment_step for TZS is '100'; write: payment_step={\"TZS\": 100}, a whole number of"
            " minor units",
            id="payment step as text",
        ),
        pytest.param(
            {"operations": {"energy": 5}},
            "operations is {'energy': 5}; write: operations={ChargeKind.ENERGY: Operation(…)}",
            id="operations: {'energy': 5}",
        ),
        pytest.param(
            {"operations": (1,)},
            "operations is (1,); write: operations={ChargeKind.ENERGY: Operation(…)}",
            id="operations: (1,)",
        ),
        pytest.param(
            {"operations": None},
            "operations is None; write: operations={ChargeKind.ENERGY: Operation(…)}",
            id="operations: None",
        ),
        pytest.param(
            {"device_kinds": 5},
            "device_kinds is 5; write: device_kinds={DeviceKind.METER}",
            id="device kinds as number",
        ),
        pytest.param(
            {"device_kinds": DeviceKind.METER},
            "device_kinds is <DeviceKind.METER: 'meter'>; write: device_kinds={DeviceKind.METER}",
            id="one device kind alone",
        ),
        pytest.param(
            {"currencies": 5},
            'currencies is 5; write: currencies={"TZS"}, a set',
            id="currencies as number",
        ),
        *(
            pytest.param(
                {"serial_pattern": value},
                f'serial_pattern is {value!r}; write: serial_pattern=r"[0-9]{{11}}", what every'
                f" serial matches as a whole{why}",
                id=f"serial pattern {value}",
            )
            for value, why in (
                (None, ""),
                (5, ""),
                ("[", " (unterminated character set at position 0)"),
                ("a{99999999999}", " (the repetition number is too large)"),
            )
        ),
        pytest.param(
            {"token_pattern": "("},
            "token_pattern is '('; write: token_pattern=r\"[0-9]{20}\", what every code matches as"
            " a whole (missing ), unterminated subpattern at position 0)",
            id="token pattern that is none",
        ),
        *(
            pytest.param(
                {"deadline": value},
                f"deadline is {value!r}; write: deadline=35.0, seconds, 120 at most",
                id=f"deadline {value}",
            )
            for value in (float("inf"), float("nan"), 1e9, 120.5, -1.0, True)
        ),
        *(
            pytest.param(
                {"minimum_amount": value},
                f'minimum_amount is {value!r}; write: minimum_amount="1000", major units in quotes',
                id=f"amount {value}",
            )
            for value in ("1e3", " 10 ", "10\n", "inf", "-1", "1_000", "")
        ),
        pytest.param(
            {"minimum_amount": "1000", "maximum_amount": "10"},
            "minimum_amount is '1000'; write: one that is not above maximum_amount '10'",
            id="minimum above maximum",
        ),
        pytest.param(
            {"concurrency": 10**9},
            "concurrency is 1000000000; write: concurrency=8, a whole number from 1 to 200",
            id="more calls than can be",
        ),
        pytest.param(
            {"example_details": 5},
            'example_details is 5; write: example_details={"pin": "1234"}, a mapping',
            id="details as number",
        ),
        pytest.param(
            {"result_codes": ({"code": "0"},)},
            "result_codes is {'code': '0'}; write: result_codes=(ResultCode(…),)",
            id="code as mapping",
        ),
    ],
)
def test_a_wrong_value_is_told_with_what_to_write(changes, problem):
    assert list(manifest_problems(manifest(**changes))) == [f"The manifest's {problem}"]


FIELDS = sorted(field.name for field in attrs.fields(Manifest))
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=5),
    st.lists(st.one_of(st.text(max_size=3), st.integers()), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.sampled_from([Settings, OPERATION, DeviceKind.METER, PluginKind.TELECOM]),
)


@given(name=st.sampled_from(FIELDS), value=ANYTHING)
def test_whatever_stands_in_a_field_is_answered_and_never_fails(name, value):
    try:
        changed = manifest(**{name: value})
    except ValueError:
        return  # refused where it is written, by the manifest itself
    cls = type("Acme", (), {"manifest": changed})

    assert all(isinstance(problem, str) for problem in class_problems(cls))


# --- hooks that would never be called -------------------------------------------------------------


class Acme:
    manifest: ClassVar[Manifest] = manifest(operations={}, energy_step=None, callback_paths=())

    def __init__(self, settings, runtime):
        pass


def with_hook(name: str, kind: PluginKind = PluginKind.MANUFACTURER) -> type:
    scope: dict[str, object] = {}
    exec(f"def {name}(self, {', '.join(hook_arguments()[name])}): ...", scope)  # noqa: S102 - pluggy reads names
    members = {
        name: hookimpl(scope[name]),
        "manifest": attrs.evolve(Acme.manifest, kind=kind),
    }
    return type("Acme", (Acme,), members)


@pytest.mark.parametrize(
    ("hook", "write"),
    [
        ("mpm_read_call", 'callback_paths=("…",)'),
        ("mpm_write_reply", 'callback_paths=("…",)'),
        ("mpm_report_payment", "kind=PluginKind.TELECOM"),
        ("mpm_push_payment", "kind=PluginKind.TELECOM"),
        ("mpm_query_payment", "kind=PluginKind.TELECOM"),
        ("mpm_register_device", "supports_lookup=True"),
        ("mpm_prepare_order", "operations={…}"),
        ("mpm_generate_token", "operations={ChargeKind.ENERGY: Operation(…)}"),
        ("mpm_find_token", "supports_find=True"),
        ("mpm_clear_device", "operations={ChargeKind.CLEAR: Operation(…)}"),
        ("mpm_switch_device", "switches=True"),
        ("mpm_send_message", "kind=PluginKind.MESSENGER"),
    ],
)
def test_a_hook_that_the_manifest_keeps_from_being_called_is_told(hook, write):
    assert class_problems(with_hook(hook)) == (
        f"Acme.{hook} is never called; write in the manifest: {write}",
    )


@pytest.mark.parametrize(
    "hook", ["mpm_check", "mpm_simulator", "mpm_token_issued", "mpm_validate_payment"]
)
def test_hooks_for_every_plugin_need_nothing_in_the_manifest(hook):
    assert class_problems(with_hook(hook)) == ()
