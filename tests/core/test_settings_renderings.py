"""The seven renderings of one settings class, against golden files.

Write the files anew with MPM_WRITE_GOLDEN=1 and read the difference before committing it.
"""

from __future__ import annotations

import json
import os
import tomllib
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import attrs
import pytest

from mpm_core import Secret, SettingsError, read_settings, setting
from mpm_core.settings import SettingsPlace
from mpm_core.settings.forms import (
    cli_prompts,
    documentation_table,
    form_fields,
    json_schema,
    redact,
)
from mpm_core.settings.toml import environment_names, to_toml

GOLDEN = Path(__file__).parent / "golden"
PLACE = SettingsPlace(company="umeme", instance="calin-south", plugin="calin")
CANARY = "canary-77aa"


class Mode(StrEnum):
    SIGNED = "signed"
    BASIC = "basic"


@attrs.frozen(kw_only=True)
class Sample:
    """Every type and every rule once."""

    api_url: str = setting(
        help="Base URL of the token server.", kind="url", example="http://calin.example/api"
    )
    api_key: Secret = setting(help="API key of our account.", minimum_length=8)
    user_id: str = setting(
        help='User id; may hold a | and a "quote".', example='um"em|e', pattern=r'[a-z|"]+'
    )
    mode: Mode = setting(help="How the caller proves who it is", default=Mode.SIGNED)
    spare_key: Secret | None = setting(help="The key before", default=None)
    sandbox_key: Secret = setting(help="Key of the sandbox", default=Secret(CANARY))
    colour: str | None = setting(help="Colour", default=None, choices=("red", "green"))
    timeout: int = setting(help="Seconds to\n  wait.", default=30, minimum=1, maximum=60)
    retries: int | None = setting(help="Tries", default=None, minimum=2)
    price: Decimal = setting(help="Price per kWh", default=Decimal("1.50"), minimum=Decimal(0))
    limit: Decimal | None = setting(help="Limit", default=None)
    verbose: bool = setting(help="Log more", default=False)
    strict: bool = setting(help="Refuse more")
    senders: tuple[str, ...] = setting(help="Senders", default=("MPM", "UMEME"))
    regions: tuple[str, ...] = setting(help="Regions", example="north, south")


@attrs.frozen(kw_only=True)
class Nothing:
    """A plugin without settings."""


def sample() -> Sample:
    return Sample(
        api_url="http://calin.example/api",
        api_key=Secret(CANARY),
        user_id="umeme",
        strict=True,
        regions=("north", "south"),
        spare_key=None,
    )


def as_json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def validation_errors(cls: type) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings(cls, {"timeout": 0}, place=PLACE, environ={}, folder=GOLDEN)
    return f"{caught.value}\n"


def toml_and_environment(cls: type) -> str:
    names = environment_names(cls, PLACE.company, PLACE.instance)
    section = to_toml(cls, company=PLACE.company, instance=PLACE.instance, plugin=PLACE.plugin)
    return section + "\n" + "".join(f"# {name}: {names[name]}\n" for name in names)


RENDERINGS = {
    "validation.txt": lambda: validation_errors(Sample),
    "settings.toml": lambda: toml_and_environment(Sample),
    "prompts.json": lambda: as_json([attrs.asdict(prompt) for prompt in cli_prompts(Sample)]),
    "form.json": lambda: as_json([attrs.asdict(field) for field in form_fields(Sample)]),
    "schema.json": lambda: as_json(json_schema(Sample)),
    "table.md": lambda: documentation_table(Sample),
    "redacted.json": lambda: as_json(redact(sample())),
}


@pytest.mark.parametrize("name", RENDERINGS)
def test_rendering_is_as_in_its_golden_file(name):
    rendered = RENDERINGS[name]()
    golden = GOLDEN / name
    if os.environ.get("MPM_WRITE_GOLDEN"):
        golden.write_text(rendered, encoding="utf-8")

    assert rendered == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", RENDERINGS)
def test_no_rendering_shows_a_secret(name):
    assert CANARY not in RENDERINGS[name]()


def test_to_toml_writes_what_read_settings_reads_back():
    written = to_toml(Sample, company="umeme", instance="calin-south", plugin="calin")
    table = tomllib.loads(written)["companies"]["umeme"]["plugins"]["calin-south"]
    environ = {"UMEME_CALIN_SOUTH_API_KEY": CANARY}

    assert table.pop("use") == "calin"
    read = read_settings(Sample, table, place=PLACE, environ=environ, folder=GOLDEN)
    assert read == attrs.evolve(sample(), user_id='um"em|e')


def test_to_toml_stays_readable_with_every_comment_taken_away():
    written = to_toml(Sample, company="umeme", instance="calin", plugin="calin")
    settings = [line.removeprefix("# ") for line in written.splitlines() if " = " in line]

    table = tomllib.loads("\n".join(settings))
    assert sorted(table) == sorted(field.name for field in attrs.fields(Sample))


def test_to_toml_leaves_use_out_where_the_instance_is_named_like_the_plugin():
    assert to_toml(Nothing, company="a", instance="calin", plugin="calin") == (
        "[companies.a.plugins.calin]\n"
    )


def test_a_class_without_settings_has_empty_renderings():
    assert (form_fields(Nothing), cli_prompts(Nothing), redact(Nothing())) == ((), (), {})


def test_redact_tells_whether_a_secret_is_set():
    settings = attrs.evolve(sample(), spare_key=Secret("x"))

    shown = redact(settings)
    assert (shown["api_key"], shown["spare_key"]) == ("••••••", "••••••")
    assert redact(sample())["spare_key"] == "not set"


def test_json_schema_holds_only_json():
    schema = json_schema(Sample)

    assert json.loads(json.dumps(schema)) == schema
