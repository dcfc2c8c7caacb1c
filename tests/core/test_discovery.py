from __future__ import annotations

import importlib
import sys
from importlib.metadata import version

import attrs
import pytest

from mpm_core import PluginLoadError
from mpm_core.discovery import (
    InstalledPlugin,
    _compatibility,
    canonical_name,
    find_plugin,
    installed_plugins,
    load_plugin_class,
)

CORE = version("mpm-payg-core")
SOUND = """
from typing import ClassVar
import attrs
from mpm_core import DeviceKind, Manifest, PluginKind

@attrs.frozen(kw_only=True)
class Settings:
    pass

class Acme:
    manifest: ClassVar[Manifest] = Manifest(
        kind=PluginKind.MANUFACTURER, title="Acme", settings_class=Settings,
        device_kinds={DeviceKind.METER},
    )
    def __init__(self, settings, runtime):
        pass
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution: its metadata and one module of its own."""
    monkeypatch.syspath_prepend(tmp_path)

    def install_distribution(
        distribution="mpm-acme",
        entries='acme = "x"',
        code=SOUND,
        requires=("mpm-payg-core>=0.1,<0.2",),
        number="1.2",
    ):
        module = distribution.replace("-", "_") + "_made_for_test"
        (tmp_path / f"{module}.py").write_text(code)
        folder = tmp_path / f"{distribution.replace('-', '_')}-{number}.dist-info"
        folder.mkdir()
        lines = [
            "Metadata-Version: 2.1",
            f"Name: {distribution}",
            f"Version: {number}",
            "Summary: Meters of Acme",
            *(f"Requires-Dist: {text}" for text in requires),
        ]
        (folder / "METADATA").write_text("\n".join(lines) + "\n")
        entries = entries.replace('"x"', f"{module}:Acme").replace("MODULE", module)
        (folder / "entry_points.txt").write_text(f"[mpm_core.plugins]\n{entries}\n")
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, module, raising=False)
        return module

    return install_distribution


def acme(**changes: object) -> InstalledPlugin:
    return attrs.evolve(
        InstalledPlugin(
            name="acme",
            distribution="mpm-acme",
            version="1.2",
            value="mpm_acme_made_for_test:Acme",
            summary="Meters of Acme",
            requires_core="<0.2,>=0.1",
            compatible=True,
        ),
        **changes,
    )


def found(*names: str) -> list[InstalledPlugin]:
    return [plugin for plugin in installed_plugins() if plugin.name in names]


def load_refusal(installed: InstalledPlugin) -> str:
    with pytest.raises(PluginLoadError) as caught:
        load_plugin_class(installed)
    return str(caught.value)


def test_installed_plugins_tells_a_plugin_from_its_metadata(install):
    install()

    assert found("acme") == [acme()]


def test_installed_plugins_imports_nothing(install):
    module = install(code="raise SystemExit('imported')")

    assert len(found("acme")) == 1
    assert module not in sys.modules


def test_installed_plugins_are_in_the_order_of_their_names(install):
    install("mpm-zulu", 'zulu = "x"')
    install("mpm-acme", 'acme = "x"\nmike = "x"')

    names = [plugin.name for plugin in installed_plugins()]
    assert names == sorted(names)
    assert {"acme", "mike", "zulu"} < set(names)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("calin", "calin"),
        ("Acme_Meters", "acme-meters"),
        ("acme.meters", "acme-meters"),
        ("acme-_.meters", "acme-meters"),
    ],
)
def test_canonical_name_is_one_for_every_spelling(spelling, name):
    assert canonical_name(spelling) == name


def test_installed_plugins_are_named_canonically(install):
    install(entries='Acme_Two = "x"')

    assert [plugin.name for plugin in found("acme-two")] == ["acme-two"]


@pytest.mark.parametrize(
    ("requires", "requires_core", "problem"),
    [
        pytest.param(["mpm-payg-core"], "", "", id="any version"),
        pytest.param(["httpx", f"mpm_payg.core=={CORE}"], f"=={CORE}", "", id="another spelling"),
        pytest.param(
            ["mpm-payg-core>=9"],
            ">=9",
            f"it needs mpm-payg-core >=9, but {CORE} is installed; install a version of it made"
            " for this core.",
            id="a later core",
        ),
        pytest.param(
            ["mpm-payg-core<0.0.1,>=0.0.0"],
            "<0.0.1,>=0.0.0",
            f"it needs mpm-payg-core <0.0.1,>=0.0.0, but {CORE} is installed; install a version of"
            " it made for this core.",
            id="an earlier core",
        ),
        pytest.param(
            [],
            "",
            "it does not say which mpm-payg-core it works with; write in its pyproject.toml:"
            f' dependencies = ["mpm-payg-core>={CORE}"]',
            id="silent",
        ),
        pytest.param(
            ['mpm-payg-core>=0.1 ; extra == "host"'],
            "",
            "it does not say which mpm-payg-core it works with; write in its pyproject.toml:"
            f' dependencies = ["mpm-payg-core>={CORE}"]',
            id="only as an extra",
        ),
        pytest.param(
            ['mpm-payg-core>=9 ; python_version < "3"', "mpm-payg-core>=0.1"],
            ">=0.1",
            "",
            id="marker of another Python",
        ),
        pytest.param(
            ["mpm-payg-core>>1"],
            "",
            "its requirement 'mpm-payg-core>>1' cannot be read; its author must correct it.",
            id="unreadable",
        ),
    ],
)
def test_installed_plugins_tells_whether_this_core_fits(install, requires, requires_core, problem):
    install(requires=requires)

    expected = acme(requires_core=requires_core, compatible=not problem, problem=problem)
    assert found("acme") == [expected]


def test_a_core_that_is_not_released_yet_fits_like_a_released_one():
    assert _compatibility(["mpm-payg-core>=0.1"], "0.2.0rc1") == (">=0.1", "")


def test_installed_plugins_marks_both_claims_of_one_name(install):
    install("mpm-acme", 'acme = "x"')
    install("other-acme", 'Acme = "x"', number="0.9")
    problem = (
        "the name 'acme' is claimed by mpm-acme 1.2 and other-acme 0.9; uninstall all but one."
    )

    assert [(plugin.distribution, plugin.problem) for plugin in found("acme")] == [
        ("mpm-acme", problem),
        ("other-acme", problem),
    ]
    assert load_refusal(find_plugin("acme")) == (
        f"Plugin 'acme' (mpm-acme 1.2) cannot be used: {problem}"
    )


@pytest.mark.parametrize(
    ("entries", "name", "problem"),
    [
        pytest.param(
            "ac me = MODULE:Acme",
            "ac me",
            "its name 'ac me' is none; use letters, digits and hyphens.",
            id="blank in the name",
        ),
        pytest.param(
            "acme = MODULE",
            "acme",
            "its entry point is 'mpm_acme_made_for_test'; write acme = \"module:Class\".",
            id="module only",
        ),
    ],
)
def test_installed_plugins_tells_what_is_wrong_with_an_entry_point(install, entries, name, problem):
    install(entries=entries)

    assert [plugin.problem for plugin in found(name)] == [problem]


def test_find_plugin_finds_any_spelling(install):
    install(entries='acme-two = "x"')

    assert find_plugin("Acme_Two") == acme(name="acme-two")


def test_find_plugin_suggests_the_name_that_was_meant(install):
    install()

    with pytest.raises(PluginLoadError) as caught:
        find_plugin("acmee")
    assert str(caught.value) == "Plugin 'acmee' is not installed; did you mean 'acme'?"


def test_find_plugin_lists_what_is_installed(install):
    install()
    names = ", ".join(sorted({plugin.name for plugin in installed_plugins()}))

    with pytest.raises(PluginLoadError) as caught:
        find_plugin("xyz-quux")
    assert str(caught.value) == f"Plugin 'xyz-quux' is not installed; installed are: {names}."


def test_load_plugin_class_imports_the_class(install):
    module = install()

    loaded = load_plugin_class(find_plugin("acme"))
    assert (loaded.__module__, loaded.__name__) == (module, "Acme")


def test_load_plugin_class_imports_no_incompatible_plugin(install):
    module = install(requires=["mpm-payg-core>=9"])

    assert load_refusal(find_plugin("acme")) == (
        f"Plugin 'acme' (mpm-acme 1.2) cannot be used: it needs mpm-payg-core >=9, but {CORE} is"
        " installed; install a version of it made for this core."
    )
    assert module not in sys.modules


@pytest.mark.parametrize(
    ("code", "reason", "line"),
    [
        pytest.param(
            "import no_such_module",
            "ModuleNotFoundError: No module named 'no_such_module'",
            1,
            id="a dependency is missing",
        ),
        pytest.param("raise SystemExit(3)", "SystemExit: 3", 1, id="it exits"),
        pytest.param("1 / 0", "ZeroDivisionError: division by zero", 1, id="it fails"),
        pytest.param("def f(:", "SyntaxError: invalid syntax", 1, id="it is no Python"),
        pytest.param(
            "def f(): f()\nf()",
            "RecursionError: maximum recursion depth exceeded",
            1,
            id="it never ends",
        ),
        pytest.param("raise ValueError('one\\ntwo.')", "ValueError: one two", 1, id="two lines"),
        pytest.param(
            "class Bad(Exception):\n def __str__(self): raise Bad\nraise Bad",
            "mpm_acme_made_for_test.Bad: <exception str() failed>",
            3,
            id="its words cannot be made",
        ),
        pytest.param(
            "error = ValueError('one')\nerror.add_note('two')\nraise error",
            "ValueError: one",
            3,
            id="with a note",
        ),
    ],
)
def test_load_plugin_class_says_why_an_import_fails(install, code, reason, line):
    install(code=code)

    assert load_refusal(find_plugin("acme")) == (
        "Plugin 'acme' (mpm-acme 1.2) cannot be loaded: importing mpm_acme_made_for_test raised"
        f" {reason} (mpm_acme_made_for_test.py line {line}). Reinstall it, or tell its author."
    )


def test_load_plugin_class_has_no_line_of_a_module_that_is_not_there(install):
    install(entries="acme = mpm_nowhere_at_all:Acme")

    assert load_refusal(find_plugin("acme")) == (
        "Plugin 'acme' (mpm-acme 1.2) cannot be loaded: importing mpm_nowhere_at_all raised"
        " ModuleNotFoundError: No module named 'mpm_nowhere_at_all'. Reinstall it, or tell its"
        " author."
    )


def test_load_plugin_class_leaves_a_persons_interrupt_alone(install):
    install(code="raise KeyboardInterrupt")

    with pytest.raises(KeyboardInterrupt):
        load_plugin_class(find_plugin("acme"))


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        pytest.param(
            "",
            "cannot be loaded: mpm_acme_made_for_test has no 'Acme'; write in its pyproject.toml:"
            ' acme = "mpm_acme_made_for_test:Class"',
            id="no such name",
        ),
        pytest.param(
            "Acme = 3",
            "cannot be loaded: mpm_acme_made_for_test:Acme is no class; write in its"
            ' pyproject.toml: acme = "mpm_acme_made_for_test:Class"',
            id="no class",
        ),
    ],
)
def test_load_plugin_class_tells_the_entry_to_write(install, code, problem):
    install(code=code)

    assert load_refusal(find_plugin("acme")) == f"Plugin 'acme' (mpm-acme 1.2) {problem}"


def test_load_plugin_class_names_the_plugin_in_every_broken_rule(install):
    code = SOUND.replace("(self, settings, runtime)", "(self)")
    install(code=f"{code}\n    def mpm_check(self): ...\n")

    assert load_refusal(find_plugin("acme")) == (
        "Plugin 'acme' (mpm-acme 1.2): Acme cannot be made from settings and runtime; write:"
        " def __init__(self, settings: Settings, runtime: PluginRuntime) -> None:\n"
        "Plugin 'acme' (mpm-acme 1.2): Acme.mpm_check is not marked as a hook; write @hookimpl"
        " above it."
    )


def test_a_torn_installation_is_told_and_hides_no_other_plugin(install, tmp_path):
    install()
    (tmp_path / "mpm_torn-1.dist-info").mkdir()
    (tmp_path / "mpm_torn-1.dist-info" / "entry_points.txt").write_text(
        "[mpm_core.plugins]\ntorn = torn:Torn\n"
    )

    assert [(plugin.name, plugin.problem) for plugin in found("acme", "torn")] == [
        ("acme", ""),
        ("torn", "its installation has no metadata; install its distribution again."),
    ]
