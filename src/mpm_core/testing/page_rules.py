"""The plugin's page for people agrees with its code, C-15 to C-17."""

from __future__ import annotations

from mpm_core.settings.forms import documentation_table
from mpm_core.testing.cases import Case
from mpm_core.testing.rules import RuleBook, RuleBroken
from mpm_core.testing.subjects import Subject

__all__ = ["BOOK"]

BOOK = RuleBook()


def _has_page(subject: Subject) -> bool:
    return subject.installed is not None or bool(subject.readme)


_WHEN = "installed plugins (always, in a contract test)"


@BOOK.rule(
    "C-15",
    "its page shows the settings as they are",
    promise="README.md holds the table of settings as "
    "`mpm_core.settings.forms.documentation_table` writes it today.",
    remedy="the table that stands at the end of what was seen.",
    applies=_has_page,
    when=_WHEN,
)
def _settings_table(case: Case) -> None:
    table = documentation_table(case.subject.manifest.settings_class).strip()
    if table not in case.subject.readme:
        raise RuleBroken(f"README.md does not hold this table:\n{table}")


@BOOK.rule(
    "C-16",
    "its page explains every fault of the simulator",
    promise="README.md names every fault switch in backticks: whoever tries the plugin "
    "offline finds there what each does.",
    remedy="a row `| `fault` | what the other side does |` in README.md.",
    applies=_has_page,
    when=_WHEN,
)
def _faults(case: Case) -> None:
    faults = case.subject.simulator().faults()
    missing = [fault for fault in faults if f"`{fault}`" not in case.subject.readme]
    if missing:
        raise RuleBroken(f"README.md does not explain {', '.join(missing)}.")


@BOOK.rule(
    "C-17",
    "its page names the callbacks to give to the other side",
    promise="README.md names every path of the manifest's `callback_paths` in backticks.",
    remedy="the paths below the callback URL, in README.md.",
    applies=lambda subject: _has_page(subject) and bool(subject.manifest.callback_paths),
    when="installed plugins with `callback_paths`",
)
def _callbacks(case: Case) -> None:
    paths = case.subject.manifest.callback_paths
    missing = [path for path in paths if f"`{path}`" not in case.subject.readme]
    if missing:
        raise RuleBroken(f"README.md does not name {', '.join(missing)}.")
