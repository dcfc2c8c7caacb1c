"""Write the pages for plugin authors that are made from the code.

python docs/generate.py           writes them
python docs/generate.py --check   says which are out of date, and exits with 1 if any is
"""

# ruff: noqa: INP001 - a program, not a module of a package

from __future__ import annotations

import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

import attrs

from mpm_core import Manifest, PluginKind, Secret, hookspecs, setting
from mpm_core.company_plugins.hook_rules import HOOK_RULES, HookRule, Mode
from mpm_core.discovery import InstalledPlugin, find_plugin, load_plugin_class
from mpm_core.discovery.plugin_checks import hook_arguments
from mpm_core.settings import HOST_KEYS, SettingType
from mpm_core.settings.forms import (
    cli_prompts,
    documentation_table,
    form_fields,
    json_schema,
    redact,
)
from mpm_core.settings.toml import environment_names, to_toml

DOCS = Path(__file__).parent
AUTHORS = DOCS / "authors"
PLUGINS = DOCS.parent / "plugins"
HEAD = "<!-- Made from the code by docs/generate.py; change the code, then run that. -->\n"
_SECTIONS = ("Args", "Returns", "Raises")
_MODES = {
    Mode.ROUTED: "one instance",
    Mode.ASKED: "every instance is asked",
    Mode.TOLD: "every instance is told",
}


def main(arguments: list[str]) -> int:
    """Write or check the pages; returns the exit code."""
    stale = [path for path, text in pages() if not path.exists() or path.read_text("utf-8") != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(DOCS.parent)} is out of date; run: python docs/generate.py")  # noqa: T201 - a program
        return 1 if stale else 0
    for path, text in pages():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


def pages() -> Iterator[tuple[Path, str]]:
    """Yield each generated page with its text."""
    makers: Mapping[str, Callable[[], str]] = {
        "directory": directory_page,
        "hooks": hooks_page,
        "settings": settings_page,
    }
    for name, make in makers.items():
        yield AUTHORS / f"{name}.md", HEAD + make()


# --- hooks ----------------------------------------------------------------------------------------


def hooks_page() -> str:
    """Return the reference of every hook, from the specifications and the table of rules."""
    rows = [_hook_row(name) for name in hook_arguments()]
    chapters = [_hook_chapter(name) for name in hook_arguments()]
    table = _table(("Hook", "Called", "Runs", "May change something", "Answers"), rows)
    intro = _prose(hookspecs.__doc__ or "")
    return f"\n# Hooks\n\n{intro}\n\n{table}\n" + "\n".join(chapters)


def _hook_row(name: str) -> tuple[str, ...]:
    rule = HOOK_RULES[name]
    runs = "in the caller's thread" if rule.pure else "in the instance's pool"
    effect = "yes" if rule.effect else "no"
    return f"[`{name}`](#{name})", _MODES[rule.mode], runs, effect, _answers(name, rule)


def _answers(name: str, rule: HookRule) -> str:
    if rule.mode is Mode.TOLD:
        return "nothing"
    annotation = str(getattr(hookspecs, name).__annotations__["return"])
    return " or ".join(f"`{part}`" for part in annotation.split(" | "))


def _hook_chapter(name: str) -> str:
    function = getattr(hookspecs, name)
    names = ", ".join(("self", *hook_arguments()[name]))
    types = {
        argument: str(annotation)
        for argument, annotation in function.__annotations__.items()
        if argument != "return"
    }
    listed = "".join(f"- `{argument}`: `{kind}`\n" for argument, kind in types.items())
    code = f"```python\n@hookimpl\ndef {name}({names}): ...\n```\n"
    asked = f"\nAsk for any of:\n\n{listed}" if listed else ""
    return f"\n## {name}\n\n{code}{asked}\n{_prose(inspect.getdoc(function) or '')}\n"


def _prose(docstring: str) -> str:
    """Turn a docstring into Markdown: its sections become lists."""
    lines: list[str] = []
    inside = False
    for line in docstring.strip().splitlines():
        heading = line.removesuffix(":")
        if heading in _SECTIONS and line.endswith(":"):
            lines += [f"**{heading}**", ""]
            inside = True
        elif inside and re.match(r"    \S", line):
            lines.append(f"- {_item(line.strip())}")
        elif inside and line.strip():
            lines.append(f"  {line.strip()}")
        else:
            lines.append(line)
    return "\n".join(lines)


def _item(text: str) -> str:
    """Set the names before the colon of an item as code."""
    names, colon, rest = text.partition(":")
    if not colon or not re.fullmatch(r"\w+(, \w+)*", names):
        return text
    return ", ".join(f"`{name}`" for name in names.split(", ")) + f":{rest}"


# --- settings -------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class AcmeSettings:
    """The class the settings page shows."""

    api_url: str = setting(
        help="Base URL of the vendor's API.", kind="url", example="https://api.acme.example/v1"
    )
    api_key: Secret = setting(help="Key the vendor gave the company.", minimum_length=8)
    timeout: int = setting(help="Seconds to wait.", default=30, minimum=1, maximum=60)


_RENDERINGS = """
## Seven renderings of one class

```python
{source}```

### 1. Validation

What the type and the rules do not allow is answered with one line per mistake, that names company,
plugin and setting, and shows no secret:

```
{mistakes}
```

### 2. `mpm.toml` and the environment

```toml
{toml}```

Suggested variables: {variables}.

### 3. Prompts on a terminal

```
{prompts}```

### 4. A web form

{form}
### 5. JSON schema of the API

```json
{schema}
```

### 6. The table in your README

{table}
### 7. Redaction

```
{redacted}
```
"""


def settings_page() -> str:
    """Return the reference of `setting()`, with the seven renderings of one class."""
    types = _table(("Annotation", "In forms and tables"), _type_rows())
    doc = inspect.getdoc(setting) or ""
    arguments = _prose(doc[doc.index("Args:") :])
    keys = ", ".join(f"`{key}`" for key in sorted(HOST_KEYS))
    return (
        "\n# Settings\n\n"
        "A plugin declares its settings once, as an attrs class with a `setting()` per field; the\n"
        "manifest names it as `settings_class`. What registration must ask about a device is\n"
        "declared the same way, as `details_class`.\n\n"
        f"## Types\n\n{types}\n"
        "Each may be followed by `| None`, where nothing is a value too. A `StrEnum` of your own\n"
        "is a choice. Credentials are always `Secret`: they are encrypted at rest, never shown,\n"
        "and never accepted on a command line.\n\n"
        f"## `setting()`\n\n{arguments}\n\n"
        "The host handles these keys for every instance, so no field can have their names:\n"
        f"{keys}."
        f"\n{_renderings()}"
    )


def _type_rows() -> Iterator[tuple[str, str]]:
    annotations = {
        "str": SettingType.TEXT,
        "int": SettingType.WHOLE_NUMBER,
        "bool": SettingType.YES_NO,
        "Decimal": SettingType.DECIMAL,
        "Secret": SettingType.SECRET,
        "tuple[str, ...]": SettingType.TEXTS,
        "a `StrEnum`": SettingType.CHOICE,
    }
    for annotation, kind in annotations.items():
        yield (annotation if "`" in annotation else f"`{annotation}`"), kind.value


def _renderings() -> str:
    import json  # noqa: PLC0415 - only this page

    settings = AcmeSettings(
        api_url="https://api.acme.example/v1", api_key=Secret("0123456789abcdef")
    )
    names = environment_names(AcmeSettings, "umeme", "acme").values()
    rows = [
        (f"`{field.name}`", field.label, field.input, field.value or field.placeholder)
        for field in form_fields(AcmeSettings)
    ]
    return _RENDERINGS.format(
        source=inspect.getsource(AcmeSettings),
        mistakes=_mistakes(),
        toml=to_toml(AcmeSettings, company="umeme", instance="acme", plugin="acme"),
        variables=", ".join(f"`{name}`" for name in names),
        prompts="".join(f"{prompt.question}:\n" for prompt in cli_prompts(AcmeSettings)),
        form=_table(("Field", "Label", "Input", "Shows first"), rows),
        schema=json.dumps(json_schema(AcmeSettings), indent=2),
        table=documentation_table(AcmeSettings),
        redacted="\n".join(f"{name}: {value}" for name, value in redact(settings).items()),
    )


def _mistakes() -> str:
    from mpm_core import SettingsError, read_settings  # noqa: PLC0415 - only this page
    from mpm_core.settings import SettingsPlace  # noqa: PLC0415 - as above

    place = SettingsPlace(company="umeme", instance="acme", plugin="acme")
    raw = {"api_url": "ftp://acme.example", "timeuot": 30, "timeout": 0}
    try:
        read_settings(AcmeSettings, raw, place=place, environ={}, folder=Path())
    except SettingsError as error:
        return str(error)
    raise AssertionError("these settings are wrong")


# --- the directory --------------------------------------------------------------------------------


def directory_page() -> str:
    """Return what every plugin of this project declares."""
    plugins = [find_plugin(name) for name in _plugin_names()]
    manifests = [
        cast("Manifest", vars(load_plugin_class(plugin))["manifest"]) for plugin in plugins
    ]
    both = list(zip(plugins, manifests, strict=True))
    rows = [
        (
            f"[`{plugin.name}`](#{plugin.name})",
            manifest.title,
            manifest.kind.value,
            f"`pip install {plugin.distribution}`",
        )
        for plugin, manifest in both
    ]
    chapters = "\n".join(_plugin_chapter(plugin, manifest) for plugin, manifest in both)
    return (
        "\n# Plugins\n\n"
        "The plugins of this project, from their manifests. Yours is not here yet? Its README's\n"
        "first lines and `mpm plugins show NAME` say the same of it; send a change that adds its\n"
        "name.\n\n"
        f"{_table(('Plugin', 'For', 'Kind', 'Install'), rows)}\n{chapters}"
    )


def _plugin_names() -> list[str]:
    """Return the names of this project's plugins, whatever else is installed."""
    names: list[str] = []
    for path in PLUGINS.glob("*/pyproject.toml"):
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        names += project["entry-points"]["mpm_core.plugins"]
    return sorted(names)


def _plugin_chapter(plugin: InstalledPlugin, manifest: Manifest) -> str:
    facts = "".join(f"- {fact}\n" for fact in _facts(manifest))
    settings = documentation_table(manifest.settings_class)
    readme = f"../../plugins/{plugin.distribution}/README.md"
    return (
        f"## {plugin.name}\n\n{manifest.title}: {plugin.summary} ([README]({readme})).\n\n"
        f"{facts}\n{settings}"
    )


def _facts(manifest: Manifest) -> Iterator[str]:
    if manifest.kind is PluginKind.MANUFACTURER:
        yield f"serves {_listed(kind.value for kind in manifest.device_kinds)}"
    for kind, operation in manifest.operations.items():
        yield (
            f"`{kind.value}`: recovery *{operation.recovery.value}*, an unseen grant"
            f" *{operation.orphan_effect.value}*"
        )
    if manifest.energy_step:
        yield f"energy in steps of {manifest.energy_step} Wh"
    if manifest.callback_paths:
        yield f"is called at {', '.join(f'`{path}`' for path in manifest.callback_paths)}"
    if manifest.currencies:
        yield f"currencies {_listed(manifest.currencies)}"
    yield f"answers within {manifest.deadline:g} s, or counts as unknown"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in sorted(words))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
