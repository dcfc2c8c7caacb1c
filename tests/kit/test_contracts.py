"""What an author sees: tests named after rules, and failures that say what to write."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mpm_core import PluginKind
from mpm_core.testing import (
    RULES,
    Case,
    ManufacturerContract,
    MessengerContract,
    RuleBroken,
    TelecomContract,
    rules_for,
)
from mpm_core.testing.contract_page import contract_page
from mpm_core.testing.rules import RuleBook, always
from tests.kit.acme_meters import AcmeLookup, AcmeMeters
from tests.kit.acme_sms import AcmeSms
from tests.kit.local_keypads import LocalKeypads
from tests.kit.subjects import subject_of
from tests.kit.test_catalogue import CATALOGUE, SEEN_TOO

ROOT = Path(__file__).parents[2]


class Calin(ManufacturerContract):
    plugin = "calin"


class Missing(ManufacturerContract):
    plugin = "calinn"


class OfAnotherKind(TelecomContract):
    plugin = "calin"


def names_of(contract: type) -> list[str]:
    return [name for name in vars(contract) if name.startswith("test_")]


def test_a_contract_class_has_a_test_per_rule_that_holds():
    names = names_of(Calin)
    assert "test_c01_it_is_installed_and_fits_this_core" in names
    assert "test_m07_a_web_page_is_no_answer" in names
    assert "test_m46_crashes_and_repeats_never_sell_an_order_twice" in names
    assert len(names) == len(set(names)) >= 50


def test_a_test_tells_the_promise_of_its_rule():
    assert Calin.test_m07_a_web_page_is_no_answer.__doc__ == RULES["M-07"].promise


def test_rules_that_do_not_hold_are_not_generated():
    # Calin v1 has no look-up, no keys and no callbacks; it is no telecom
    families = {name[5] for name in names_of(Calin)}
    assert families == {"c", "s", "m"}
    assert not [name for name in names_of(Calin) if re.match("test_m(16|22|23|41|42|44)", name)]


@pytest.mark.parametrize(
    ("plugin_class", "has", "lacks"),
    [
        pytest.param(AcmeMeters, {"M-22", "M-37", "M-41"}, {"M-42", "M-43", "M-44"}, id="keyed"),
        pytest.param(AcmeLookup, {"M-44"}, {"M-41", "M-43"}, id="lookup"),
        pytest.param(LocalKeypads, {"M-43", "M-45", "S-12"}, {"M-01", "M-41"}, id="local"),
        pytest.param(AcmeSms, {"G-02", "G-20", "C-26"}, {"M-02", "T-01", "P-02"}, id="messenger"),
    ],
)
def test_the_manifest_switches_rules_on_and_off(plugin_class, has, lacks):
    numbers = {rule.number for rule in rules_for(subject_of(plugin_class))}
    assert numbers >= has
    assert not numbers & lacks


def test_the_bases_themselves_are_no_tests():
    for base in (ManufacturerContract, TelecomContract, MessengerContract):
        assert names_of(base) == []


@pytest.mark.parametrize(
    ("contract", "message"),
    [
        pytest.param(
            Missing,
            "C-01 it is installed and fits this core (plugin calinn)\n"
            "  seen:  Plugin 'calinn' is not installed; did you mean 'calin'?\n"
            f"  write: {RULES['C-01'].remedy}",
            id="not installed",
        ),
        pytest.param(
            OfAnotherKind,
            "C-01 it is installed and fits this core (plugin calin)\n"
            "  seen:  calin (mpm-calin 0.1.0) is a manufacturer; subclass ManufacturerContract.\n"
            f"  write: {RULES['C-01'].remedy}",
            id="of another kind",
        ),
    ],
)
def test_a_plugin_that_cannot_be_tested_fails_one_test_that_says_so(contract, message):
    assert names_of(contract) == ["test_c01_it_is_installed_and_fits_this_core"]
    with pytest.raises(pytest.fail.Exception) as failed:
        contract().test_c01_it_is_installed_and_fits_this_core()
    assert str(failed.value) == message


def test_a_failure_is_three_lines_without_a_traceback(tmp_path):
    (tmp_path / "test_contract.py").write_text(
        "from mpm_core.testing import ManufacturerContract, RULES\n"
        "class TestCalin(ManufacturerContract):\n"
        "    plugin = 'calin'\n"
        "    serial = 'not a serial'\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-k", "m33", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    shown = done.stdout.partition("M-33")[2].partition("\n===")[0]
    assert "M-33" + shown == (
        f"M-33 {RULES['M-33'].title} (plugin calin (mpm-calin 0.1.0))\n"
        "  seen:  the serial 'not a serial' of the test does not fit serial_pattern.\n"
        "  write: example_serial in the manifest, or `serial` in the test: one that fits."
    )


# --- the rules themselves -------------------------------------------------------------------------


def test_the_documentation_is_what_the_rules_say():
    page = (ROOT / "docs" / "authors" / "contract.md").read_text(encoding="utf-8")
    assert page == contract_page(), "run: python -m mpm_core.testing.contract_page > the page"


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_a_rule_says_what_it_promises_and_what_to_write(rule):
    assert re.fullmatch(r"[CSMTPG]-[0-9]{2}", rule.number)
    assert rule.promise.endswith(".")
    assert rule.remedy
    assert rule.title[0].islower() or rule.title[0].isdigit()
    assert not rule.title.endswith(".")
    assert (rule.applies is always) == (not rule.when)


def test_the_vendor_faults_have_their_own_numbers():
    assert {f"M-{number:02d}" for number in range(1, 18)} <= set(RULES)


def test_tests_of_all_rules_have_names_of_their_own():
    assert len({rule.test_name for rule in RULES.values()}) == len(RULES)


GUARDS_OF_THE_CORE = {
    # what only the core could break; the rules see that a plugin does not go round it
    "S-07",
    "G-01", "G-06", "G-08", "G-10", "G-11", "G-12", "G-13", "G-15", "G-17",
    "P-01", "P-04", "P-05", "P-06", "P-08", "P-10", "P-11", "P-12", "P-13", "P-15", "P-17",
}  # fmt: skip
TESTED_ELSEWHERE = {"C-01", "C-11", "C-12", "C-13", "C-14", "C-15", "C-16", "C-17", "S-12"}


def test_every_rule_has_been_seen_to_catch_something():
    """G- and P- faults repeat the checks of M- faults, so a few of each are enough."""
    caught = {*CATALOGUE.values(), *(number for _, number in SEEN_TOO)}
    assert set(RULES) - caught - TESTED_ELSEWHERE == GUARDS_OF_THE_CORE


def test_a_number_stands_for_one_rule():
    book = RuleBook()
    add = book.rule("X-01", "one", promise="One.", remedy="one")
    add(lambda _case: None)
    with pytest.raises(ValueError, match=r"^Rule X-01 stands twice\.$"):
        add(lambda _case: None)


def test_a_broken_rule_shows_the_example_that_broke_it(workshop):
    book = RuleBook()

    @book.rule("X-02", "small numbers only", promise="Small.", remedy="a smaller number")
    def _small(case: Case) -> None:
        from hypothesis import strategies as st  # noqa: PLC0415 - one test

        def check(number: int) -> None:
            if number > 10:
                raise RuleBroken(f"{number} is large.")

        case.holds(st.integers(0, 1000), check)

    rule = RuleBook.joined([book])["X-02"]
    with pytest.raises(RuleBroken) as broken:
        rule.check(Case(subject=subject_of(AcmeMeters, "acme"), workshop=workshop))
    assert str(broken.value) == (
        "X-02 small numbers only (plugin acme (mpm-acme 1.0))\n"
        "  seen:  11 is large.\n"
        "  for:   11\n"
        "  write: a smaller number"
    )


def test_every_kind_has_a_contract_class():
    kinds = {base._kind for base in (ManufacturerContract, TelecomContract, MessengerContract)}
    assert kinds == set(PluginKind)


# --- without a test file --------------------------------------------------------------------------


def run_named(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    options = [option for name in names for option in ("--mpm-plugin", name)]
    command = ["-m", "pytest", "-p", "mpm_core.testing.pytest_plugin", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, *command, "-k", "s01 or c01", "-v", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_installed_plugin_is_tested_by_name(tmp_path):
    (tmp_path / "test_other.py").write_text("def test_c01_other(): assert False\n")

    done = run_named(tmp_path, "calin", "airtel")

    assert done.returncode == 0, done.stdout
    assert "Test_calin::test_c01_it_is_installed_and_fits_this_core PASSED" in done.stdout
    assert "Test_airtel::test_s01_every_setting_explains_itself" in done.stdout
    assert "4 passed" in done.stdout


def test_a_plugin_that_is_not_installed_is_named(tmp_path):
    done = run_named(tmp_path, "calinn")

    assert done.returncode == 1
    assert "Plugin 'calinn' is not installed; did you mean 'calin'?" in done.stdout
