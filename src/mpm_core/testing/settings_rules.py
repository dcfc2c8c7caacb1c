"""One settings class, declared and validated, S-01 to S-05."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import attrs

from mpm_core.errors import MpmError, SettingsError
from mpm_core.secrets import Secret
from mpm_core.settings import (
    SettingDescription,
    SettingsPlace,
    SettingType,
    describe,
    read_settings,
)
from mpm_core.settings.forms import (
    redact,
)
from mpm_core.testing.cases import Case
from mpm_core.testing.rules import RuleBook, RuleBroken
from mpm_core.testing.stages import open_stage
from mpm_core.testing.subjects import Subject

__all__ = ["BOOK", "descriptions_of", "given_settings", "place_of_settings", "read_settings_of"]

BOOK = RuleBook()
_BASE = "http://127.0.0.1:9/here"
_LOOKS_SECRET = re.compile(
    r"(^|_)(password|passwd|passphrase|secret|credential|pin|token|api_?key|private_?key|"
    r"auth_?key|access_?key)s?($|_)"
)
_LONGEST_HELP = 250
_ODD_VALUES: tuple[object, ...] = ("", "x", " ", "ä" * 300, "http://x.example", 0, -1, 10**12)
_FOREIGN = (ArithmeticError, AttributeError, LookupError, MpmError, RuntimeError, TypeError)


def descriptions_of(subject: Subject) -> tuple[SettingDescription, ...]:
    """Describe a plugin's settings."""
    return describe(subject.manifest.settings_class)


def place_of_settings(subject: Subject) -> SettingsPlace:
    """Say whose settings they are, for messages."""
    return SettingsPlace(company="umeme", instance=subject.name, plugin=subject.name)


def given_settings(subject: Subject) -> Mapping[str, object]:
    """Return the settings its simulator gives, raw."""
    return dict(subject.simulator().settings(_BASE))


def read_settings_of(
    subject: Subject, raw: Mapping[str, object], environ: Mapping[str, str] | None = None
) -> object:
    """Read raw settings as the host does; raises `SettingsError`."""
    return read_settings(
        subject.manifest.settings_class,
        raw,
        place=place_of_settings(subject),
        environ=environ or {},
        folder=Path(),
    )


@BOOK.rule(
    "S-01",
    "every setting explains itself in one sentence",
    promise="Every setting has a help text of one line and at most 250 characters: prompts, forms, "
    "tables and schemas show it.",
    remedy='setting(help="Base URL of the token server.")',
)
def _helps(case: Case) -> None:
    for description in descriptions_of(case.subject):
        text = description.help
        if not text.strip() or "\n" in text.strip() or len(text) > _LONGEST_HELP:
            raise RuleBroken(f"the help of setting {description.name!r} is {text[:80]!r}.")


@BOOK.rule(
    "S-02",
    "settings cannot be changed once they are read",
    promise="The settings class is frozen, so that no call changes what the next one sees.",
    remedy="@attrs.frozen(kw_only=True) above the settings class.",
)
def _frozen(case: Case) -> None:
    settings = read_settings_of(case.subject, given_settings(case.subject))
    for description in descriptions_of(case.subject)[:1]:
        try:
            setattr(settings, description.name, None)
        except (attrs.exceptions.FrozenInstanceError, AttributeError):
            return
        raise RuleBroken(f"setting {description.name!r} was changed after it was read.")


@BOOK.rule(
    "S-03",
    "credentials are secrets",
    promise="A setting whose name says that it is a credential (password, secret, token, pin, key) "
    "has the type `Secret`; `repr`, `str` and every rendering of settings show none of them.",
    remedy="api_key: Secret = setting(help=…)",
)
def _secrets(case: Case) -> None:
    for description in descriptions_of(case.subject):
        is_text = description.value_type in {SettingType.TEXT, SettingType.TEXTS}
        looks = _LOOKS_SECRET.search(description.name) and not description.kind
        if is_text and looks and not description.choices and description.pattern is None:
            raise RuleBroken(f"setting {description.name!r} is a {description.type_label}.")
    with open_stage(case) as stage:
        settings = stage.settings
    shown = {
        "repr": repr(settings),
        "str": str(settings),
        "redact": json.dumps(redact(settings)),
    }
    for description in descriptions_of(case.subject):
        value = getattr(settings, description.name)
        if not isinstance(value, Secret) or not value:
            continue
        for name, text in shown.items():
            if value.reveal() in text:
                raise RuleBroken(f"{name} of the settings shows {description.name!r}.")


@BOOK.rule(
    "S-04",
    "settings that are wrong are refused with a sentence",
    promise="A setting that is missing, unknown or of another type is a `SettingsError` that names "
    "company, plugin and setting; the class's own checks raise `ValueError`, never anything else, "
    "and show no secret.",
    remedy="raise ValueError(…) in a validator of the settings class, or SettingsError in "
    "__init__.",
)
def _refused(case: Case) -> None:
    given = given_settings(case.subject)
    wrong: list[tuple[str, Mapping[str, object]]] = [
        ("no_such_setting", {**given, "no_such_setting": 1})
    ]
    for description in descriptions_of(case.subject):
        name = description.name
        wrong.append((name, {**given, name: {"table": 1}}))
        wrong.append((name, {**given, name: [1]}))
        if description.required:
            wrong.append((name, {key: value for key, value in given.items() if key != name}))
    for name, raw in wrong:
        error = _refusal(case.subject, raw, name)
        if error is None:
            raise RuleBroken(f"setting {name!r} was taken though it was wrong or missing.")
        if name not in str(error):
            raise RuleBroken(f"the message does not name {name!r}: {error}")
    for name in given:
        for value in _ODD_VALUES:
            _refusal(case.subject, {**given, name: value}, name)


def _refusal(subject: Subject, raw: Mapping[str, object], name: str) -> SettingsError | None:
    """Return how settings were refused, or nothing if they were taken.

    Raises:
        RuleBroken: they were refused by anything else than a `SettingsError`.
    """
    try:
        read_settings_of(subject, raw)
    except SettingsError as error:
        return error
    except _FOREIGN as error:
        kind = type(error).__name__
        raise RuleBroken(f"a wrong value of setting {name!r} raised {kind}.") from error
    return None


@BOOK.rule(
    "S-05",
    "url_settings name URLs",
    promise="Every setting that the manifest's `url_settings` name has kind `url`, so that only "
    "addresses which can be called are taken.",
    remedy='api_url: str = setting(help=…, kind="url")',
    applies=lambda subject: subject.calls_out,
    when="`url_settings`",
)
def _urls(case: Case) -> None:
    kinds = {one.name: one.kind for one in descriptions_of(case.subject)}
    for name in case.subject.manifest.url_settings:
        if kinds.get(name) != "url":
            raise RuleBroken(f"setting {name!r} is named by url_settings, but is no URL.")
