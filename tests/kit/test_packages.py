"""Faults of the package around a plugin: what its import does, its page, its installation."""

from __future__ import annotations

import importlib
import sys

import attrs
import pytest

from mpm_core.discovery import InstalledPlugin
from mpm_core.settings.forms import documentation_table
from mpm_core.testing import RULES, Case, RuleBroken
from tests.kit.acme_meters import AcmeMeters, AcmeSettings, AcmeSimulator
from tests.kit.acme_pay import AcmePay
from tests.kit.local_keypads import LocalKeypads
from tests.kit.subjects import subject_of

IMPORTS = {
    "prints": ("print('hello')", "C-11", "printed 'hello'"),
    "opens a socket": (
        "import socket; socket.socket().connect_ex(('127.0.0.1', 9))",
        "C-11",
        "opened a connection",
    ),
    "starts a thread": (
        "import threading; threading.Thread(target=int).start()",
        "C-11",
        "started a thread",
    ),
    "starts a program": (
        "import subprocess; subprocess.run(['true'])",
        "C-11",
        "started a program",
    ),
    "writes a file": ("open('/dev/null', 'w').close()", "C-11", "wrote a file"),
    "changes the environment": (
        "import os; os.environ['ACME'] = '1'",
        "C-11",
        "changed the environment",
    ),
    "configures logging": (
        "import logging; logging.basicConfig()",
        "C-11",
        "changed the handlers of the root logger",
    ),
    "hides warnings": (
        "import warnings; warnings.simplefilter('error')",
        "C-11",
        "changed the warning filters",
    ),
    "loads an HTTP library": ("import httpx", "C-12", "loaded "),
    "loads a database library": ("import sqlalchemy", "C-12", "loaded "),
    "takes its time": ("import time; time.sleep(0.5)", "C-13", "times as long as"),
    "imports the kit": ("import mpm_core.testing", "C-14", "it loads "),
    "imports another plugin": ("import mpm_calin", "C-14", "it loads mpm_calin."),
    "fails": ("raise OSError('no')", "C-11", "in a fresh process failed: OSError: no"),
}


@pytest.fixture
def import_subject(tmp_path, monkeypatch):
    """Return a maker of plugins whose module does something when it is imported."""

    def make(name: str, statement: str):
        (tmp_path / f"{name}.py").write_text(
            "import sys\n"
            f"if 'pytest' not in sys.modules:\n    {statement}\n"  # in the kit's fresh process only
            "from tests.kit.acme_meters import AcmeMeters\n"
            "class Plugin(AcmeMeters):\n    pass\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        plugin_class = importlib.import_module(name).Plugin
        sys.modules.pop(name)
        subject = subject_of(plugin_class)
        return attrs.evolve(subject, search_path=(str(tmp_path), *subject.search_path))

    return make


@pytest.mark.parametrize(("statement", "number", "seen"), list(IMPORTS.values()), ids=list(IMPORTS))
def test_what_an_import_must_not_do_is_caught(
    workshop, import_subject, statement, number, seen, request
):
    name = f"acme_{abs(hash(request.node.callspec.id))}"
    case = Case(subject=import_subject(name, statement), workshop=workshop)

    with pytest.raises(RuleBroken, match=f"^{number} ") as caught:
        RULES[number].check(case)

    assert seen in caught.value.seen


# --- its page -------------------------------------------------------------------------------------

PAGE = "\n".join(
    [documentation_table(AcmeSettings), *(f"`{fault}`" for fault in AcmeSimulator().faults())]
)


def page_case(workshop, readme: str, plugin_class: type = AcmeMeters) -> Case:
    subject = attrs.evolve(subject_of(plugin_class), readme=readme)
    return Case(subject=subject, workshop=workshop)


@pytest.mark.parametrize("number", ["C-15", "C-16"])
def test_a_page_that_agrees_keeps_the_rule(workshop, number):
    RULES[number].check(page_case(workshop, PAGE))


@pytest.mark.parametrize(
    ("number", "readme", "plugin_class", "seen"),
    [
        pytest.param(
            "C-15",
            PAGE.replace("Days that Acme keeps", "Days Acme keeps"),
            AcmeMeters,
            "README.md does not hold this table:\n" + documentation_table(AcmeSettings).strip(),
            id="an old table",
        ),
        pytest.param(
            "C-16",
            PAGE.replace("`slow`", ""),
            AcmeMeters,
            "README.md does not explain slow.",
            id="a fault that is not explained",
        ),
        pytest.param(
            "C-17",
            "Give Acme `validate` and `process`.",
            AcmePay,
            "README.md does not name enquire, notice.",
            id="a callback that is not named",
        ),
    ],
)
def test_a_page_that_disagrees_is_caught(workshop, number, readme, plugin_class, seen):
    with pytest.raises(RuleBroken) as caught:
        RULES[number].check(page_case(workshop, readme, plugin_class))
    assert caught.value.seen == seen


# --- its installation -----------------------------------------------------------------------------

INSTALLED = InstalledPlugin(
    name="acme",
    distribution="mpm-acme",
    version="1.0",
    value="mpm_acme.plugin:Acme",
    summary="Acme meters for mpm",
    requires_core=">=0.1",
    compatible=True,
)


@pytest.mark.parametrize(
    ("installed", "seen"),
    [
        pytest.param(
            attrs.evolve(INSTALLED, problem="it needs another core; install it."),
            "it needs another core; install it.",
            id="a problem",
        ),
        pytest.param(
            attrs.evolve(INSTALLED, summary=" "),
            "Plugin 'acme' (mpm-acme 1.0) has no summary.",
            id="no summary",
        ),
    ],
)
def test_an_installation_that_is_wrong_is_caught(workshop, installed, seen):
    subject = attrs.evolve(subject_of(AcmeMeters), installed=installed)

    with pytest.raises(RuleBroken, match=r"^C-01 ") as caught:
        RULES["C-01"].check(Case(subject=subject, workshop=workshop))

    assert caught.value.seen == seen


def test_details_that_are_missing_in_the_test_are_asked_for(workshop):
    subject = attrs.evolve(subject_of(LocalKeypads), details={})

    with pytest.raises(RuleBroken, match=r"^S-12 ") as caught:
        RULES["S-12"].check(Case(subject=subject, workshop=workshop))

    assert caught.value.write == ""
    assert "details = {…} in the contract test" in str(caught.value)
