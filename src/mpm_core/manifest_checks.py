"""Checks of a manifest's values: what Python accepts in a field and the host would misread.

`callback_paths=("notice")` is a text and no tuple, `recovery="keyed"` no `Recovery`; both would
show only at a payment. Each problem is one line that says what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from mpm_core.devices import DeviceKind
from mpm_core.manifest import Manifest, Operation, OrphanEffect, PluginKind, Recovery, ResultCode
from mpm_core.orders import ChargeKind

__all__ = ["LONGEST_DEADLINE", "manifest_problems"]

LONGEST_DEADLINE = 120  # seconds
_TUPLES = ("callback_paths", "url_settings")
_SWITCHES = ("supports_find", "supports_lookup", "switches")
_AMOUNTS = ("minimum_amount", "maximum_amount")
_PATTERNS = {
    "serial_pattern": ("[0-9]{11}", "serial"),
    "token_pattern": ("[0-9]{20}", "code"),
}
_MOST_AT_ONCE = 200  # as an instance's own `concurrency`
_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_PATH = re.compile(r"[^/\s][^\s]*[^/\s]|[^/\s]", re.ASCII)


def manifest_problems(manifest: Manifest) -> Iterator[str]:
    """Yield what is wrong with a manifest's values, a line each."""
    yield from _class_problems(manifest)
    yield from _text_problems(manifest)
    yield from _pattern_problems(manifest)
    yield from _number_problems(manifest)
    yield from _maker_problems(manifest)
    yield from _currency_problems(manifest)


def _problem(name: str, value: object, write: str) -> str:
    return f"The manifest's {name} is {value!r}; write: {write}"


def _class_problems(manifest: Manifest) -> Iterator[str]:
    kind: object = manifest.kind
    if not isinstance(kind, PluginKind):
        yield _problem("kind", kind, "kind=PluginKind.MANUFACTURER, TELECOM or MESSENGER")
    settings: object = manifest.settings_class
    if not isinstance(settings, type):
        yield _problem("settings_class", settings, "settings_class=MySettings, the class itself")
    details: object = manifest.details_class
    if not isinstance(details, type | None):
        yield _problem("details_class", details, "details_class=MyDetails, the class itself")
    example: object = manifest.example_details
    if not isinstance(example, Mapping):
        yield _problem("example_details", example, 'example_details={"pin": "1234"}, a mapping')
    for code in _items(manifest.result_codes):
        if not isinstance(code, ResultCode):
            yield _problem("result_codes", code, "result_codes=(ResultCode(…),)")


def _text_problems(manifest: Manifest) -> Iterator[str]:
    title: object = manifest.title
    if not isinstance(title, str) or not title.strip():
        yield _problem("title", title, 'title="Acme (v2 API)", the name people know')
    for name in _TUPLES:
        texts: object = getattr(manifest, name)
        if isinstance(texts, str):
            yield _problem(name, texts, f"{name}=({texts!r},), with the comma of a tuple")
        elif not isinstance(texts, tuple) or not all(isinstance(text, str) for text in texts):
            yield _problem(name, texts, f'{name}=("…",), a tuple of texts')
        elif name == "callback_paths":
            yield from _path_problems(texts)


def _pattern_problems(manifest: Manifest) -> Iterator[str]:
    for name, (example, what) in _PATTERNS.items():
        pattern: object = getattr(manifest, name)
        nothing = pattern is None and name == "token_pattern"
        if not nothing and not _is_pattern(pattern):
            write = f'{name}=r"{example}", what every {what} matches as a whole'
            yield _problem(name, pattern, f"{write}{_why_no_pattern(pattern)}")
    serial: object = manifest.example_serial
    if not isinstance(serial, str):
        yield _problem("example_serial", serial, f'example_serial="{serial}", in quotes')
    elif serial and _is_pattern(form := manifest.serial_pattern) and not form.fullmatch(serial):
        yield _problem("example_serial", serial, f"one that matches serial_pattern {form.pattern}")


def _why_no_pattern(pattern: object) -> str:
    """Return what Python says of a text that is no regular expression, in brackets."""
    if not isinstance(pattern, str):
        return ""
    try:
        re.compile(pattern, re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        return f" ({error})"
    return ""


def _path_problems(paths: tuple[str, ...]) -> Iterator[str]:
    for path in paths:
        if not _PATH.fullmatch(path):
            yield _problem(
                "callback_paths", path, 'a path such as "c2b/validate", without / around'
            )


def _number_problems(manifest: Manifest) -> Iterator[str]:
    step: object = manifest.energy_step
    if step is not None and not _is_whole(step):
        yield _problem("energy_step", step, "energy_step=100, a whole number above zero")
    calls: object = manifest.concurrency
    if not _is_whole(calls) or manifest.concurrency > _MOST_AT_ONCE:
        write = f"concurrency=8, a whole number from 1 to {_MOST_AT_ONCE}"
        yield _problem("concurrency", calls, write)
    if not _is_deadline(manifest.deadline):
        write = f"deadline=35.0, seconds, {LONGEST_DEADLINE} at most"
        yield _problem("deadline", manifest.deadline, write)
    for name in _SWITCHES:
        switch: object = getattr(manifest, name)
        if not isinstance(switch, bool):
            yield _problem(name, switch, f"{name}=True or False")
    for name in _AMOUNTS:
        amount: object = getattr(manifest, name)
        if amount is not None and not _is_amount(amount):
            yield _problem(name, amount, f'{name}="1000", major units in quotes')
    low, high = manifest.minimum_amount, manifest.maximum_amount
    if _is_amount(low) and _is_amount(high) and Decimal(str(low)) > Decimal(str(high)):
        yield _problem("minimum_amount", low, f"one that is not above maximum_amount {high!r}")


def _maker_problems(manifest: Manifest) -> Iterator[str]:
    kinds: object = manifest.device_kinds
    for kind in _items(kinds) if isinstance(kinds, frozenset) else (kinds,):
        if not (isinstance(kinds, frozenset) and isinstance(kind, DeviceKind)):
            yield _problem("device_kinds", kind, "device_kinds={DeviceKind.METER}")
    operations: object = manifest.operations
    if not isinstance(operations, Mapping):
        yield _problem("operations", operations, "operations={ChargeKind.ENERGY: Operation(…)}")
        return
    for kind, operation in operations.items():
        if not isinstance(kind, ChargeKind) or not isinstance(operation, Operation):
            write = "operations={ChargeKind.ENERGY: Operation(…)}"
            yield _problem("operations", {kind: operation}, write)
            continue
        recovery: object = operation.recovery
        if not isinstance(recovery, Recovery):
            yield _problem(f"recovery of {kind}", recovery, "recovery=Recovery.NONE, or another")
        orphan: object = operation.orphan_effect
        if not isinstance(orphan, OrphanEffect):
            write = "orphan_effect=OrphanEffect.CHARGES_VENDOR_BALANCE, or another"
            yield _problem(f"orphan_effect of {kind}", orphan, write)


def _currency_problems(manifest: Manifest) -> Iterator[str]:
    currencies: object = manifest.currencies
    if not isinstance(currencies, frozenset):
        yield _problem("currencies", currencies, 'currencies={"TZS"}, a set')
        return
    steps: object = manifest.payment_step
    if not isinstance(steps, Mapping):
        yield _problem("payment_step", steps, 'payment_step={"TZS": 100}, in minor units')
        return
    for code in (*manifest.currencies, *steps):
        if not isinstance(code, str) or not _CURRENCY.fullmatch(code):
            yield _problem("currencies or payment_step", code, 'a code of ISO 4217, such as "TZS"')
    for code, step in steps.items():
        if not _is_whole(step):
            write = 'payment_step={"TZS": 100}, a whole number of minor units'
            yield _problem(f"payment_step for {code}", step, write)


def _items(values: object) -> tuple[object, ...]:
    """Return the values of a collection in a fixed order; anything else is one wrong value."""
    if isinstance(values, set | frozenset):
        return tuple(sorted(values, key=str))
    return tuple(values) if isinstance(values, tuple | list) else (values,)


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number > 0


def _is_amount(value: object) -> bool:
    return isinstance(value, str) and _AMOUNT.fullmatch(value) is not None


def _is_deadline(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return 0 < value <= LONGEST_DEADLINE


def _is_pattern(value: object) -> bool:
    return isinstance(value, re.Pattern) and isinstance(value.pattern, str)
