"""`mpm doctor`: what works, what does not, and what to type next."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import attrs
import click

from mpm_host.commands.output import json_option, print_json, print_table
from mpm_host.commands.surroundings import failures_printed, opened_host
from mpm_host.plugins.diagnosis import Diagnosis, Finding, diagnose

__all__ = ["command"]


@click.command("doctor")
@click.argument("slug", required=False)
@json_option
def command(*, slug: str | None, as_json: bool) -> None:
    """Look at every company's plugins, or those of company SLUG; exit code 1 if something is wrong.

    The other sides are asked whether they answer; nothing is changed.
    """
    with opened_host() as host, failures_printed():
        diagnosis = diagnose(host, slug=slug)
    if as_json:
        print_json({**attrs.asdict(diagnosis), "ok": diagnosis.is_sound})
    else:
        _print(diagnosis)
    sys.exit(0 if diagnosis.is_sound else 1)


def _print(diagnosis: Diagnosis) -> None:
    if diagnosis.findings:
        print_table(
            ("company", "instance", "plugin", "state", "configured", "reachable"),
            [_row(finding) for finding in diagnosis.findings],
            empty="",
        )
    for finding in diagnosis.findings:
        _print_problem(finding)
    _print_list("", diagnosis.remarks)
    _print_list("Plain http in production: ", diagnosis.plain_http)
    _print_list("Private addresses in production: ", diagnosis.private_addresses)
    _print_list("Notice: ", diagnosis.notices)
    if diagnosis.is_sound:
        click.echo("Nothing is wrong.")


def _row(finding: Finding) -> tuple[str, ...]:
    reachable = {None: "not asked", True: "yes", False: "no"}[finding.reachable]
    return (
        finding.company,
        finding.instance,
        finding.plugin,
        finding.state,
        "yes" if finding.configured else "no",
        reachable,
    )


def _print_problem(finding: Finding) -> None:
    label = f"{finding.company}/{finding.instance}"
    if finding.problem:
        click.echo(f"{label}: {finding.problem}")
    if finding.last_error:
        click.echo(f"{label}: last error {finding.last_error}")
    if finding.next:
        click.echo(f"{label}: next: {finding.next}")


def _print_list(prefix: str, lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(f"{prefix}{line}")
