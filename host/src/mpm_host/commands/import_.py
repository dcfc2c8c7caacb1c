"""`mpm import`: customers and devices from a CSV file."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import click

from mpm_core import Manifest, UserError
from mpm_host.commands.json_stream import JsonStream
from mpm_host.commands.output import json_option
from mpm_host.commands.surroundings import opened_host
from mpm_host.directory import InstanceRecord
from mpm_host.host import Host
from mpm_host.imports.import_columns import columns_table
from mpm_host.imports.imports import (
    ImportOptions,
    ImportSummary,
    RowReport,
    RowStatus,
    import_file,
    inspect_file,
)
from mpm_host.registration.registration_values import RegistrationContext

__all__ = ["command"]


@click.command("import")
@click.argument("slug", required=False)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Report as if, and write nothing.")
@click.option("--all-or-nothing", is_flag=True, help="Write nothing unless every row is good.")
@click.option("--columns", is_flag=True, help="Print what the columns mean, and do nothing else.")
@json_option
def command(  # noqa: PLR0913 - one argument per option
    *,
    slug: str | None,
    file: Path | None,
    dry_run: bool,
    all_or_nothing: bool,
    columns: bool,
    as_json: bool,
) -> None:
    """Register the customers and devices of FILE, a CSV table, for company SLUG.

    Good rows land and bad ones are reported; repeating an import changes nothing. Exit code 1 if a
    row has an error, 2 if the file cannot be used.
    """
    if columns:
        click.echo(columns_table())
        return
    if slug is None or file is None:
        raise UserError("Name the company and the file: mpm import SLUG FILE.csv")
    options = ImportOptions(dry_run=dry_run, all_or_nothing=all_or_nothing)
    with opened_host(reconcile=not dry_run) as host:
        summary = _import(host, _context(host, slug), file, options, as_json=as_json)
    sys.exit(1 if summary.errors else 0)


def _context(host: Host, slug: str) -> RegistrationContext:
    def manifest_of(instance: InstanceRecord) -> Manifest | None:
        plan = host.house.plan_of(instance.id)
        return plan.plugin.manifest if plan is not None else None

    return RegistrationContext(
        directory=host.house.directory,
        vault=host.vault,
        company=host.companies.find(slug),
        now=host.clock(),
        manifest_of=manifest_of,
    )


def _import(
    host: Host,
    context: RegistrationContext,
    file: Path,
    options: ImportOptions,
    *,
    as_json: bool,
) -> ImportSummary:
    if as_json:
        stream = JsonStream("rows")
        summary = import_file(
            host.engines, context, file, options, lambda row: stream.add(attrs.asdict(row))
        )
        stream.close(**attrs.asdict(summary), dry_run=options.dry_run)
        return summary
    with _progress(file) as advance:

        def report(row: RowReport) -> None:
            if row.status is RowStatus.ERROR:
                click.echo(f"row {row.row}: {row.code}: {row.message}")
            advance()

        summary = import_file(host.engines, context, file, options, report)
    _print(summary, options)
    return summary


@contextlib.contextmanager
def _progress(file: Path) -> Iterator[Callable[[], None]]:
    """Draw a bar on a terminal; elsewhere do nothing."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console  # noqa: PLC0415 - loaded late, only to draw
    from rich.progress import Progress  # noqa: PLC0415 - as above

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Rows", total=inspect_file(file).rows)
        yield lambda: progress.advance(task)


def _print(summary: ImportSummary, options: ImportOptions) -> None:
    click.echo(
        f"{summary.created} created, {summary.unchanged} unchanged, {summary.errors} with errors."
    )
    if options.dry_run:
        click.echo("This was a dry run: nothing was written.")
    elif not summary.written:
        click.echo("Nothing was written, because of the errors.")
