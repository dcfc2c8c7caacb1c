"""Importing customers, devices and plans against the driver's own bulk insert of the same rows."""

from __future__ import annotations

import csv
import resource
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from mpm_host.database import tables as t
from mpm_host.database.engines import Engines, open_engines
from mpm_host.database.upgrade import upgrade
from mpm_host.garbage import look_for_garbage_seldom
from mpm_host.imports.imports import ImportOptions, RowReport, import_file
from tests.benchmarks.figures import Figure
from tests.benchmarks.settling import settle
from tests.benchmarks.stage import both_databases
from tests.support.small_company import SmallCompany

__all__ = ["registration_figures"]

_ROWS = 100_000
_ROUNDS = 3
_HOMES = 4  # every fourth row is a solar home system on a plan, the others are meters
_INSTALMENTS = 12
_VILLAGES = 50
_WRITTEN = (t.customers, t.devices, t.plans, t.plan_rows)
_MARK = {"sqlite": "?", "postgresql": "%s"}
_HEADER = (
    "cluster", "mini_grid", "village", "name", "surname", "phone", "device_kind", "serial",
    "manufacturer", "tariff", "tariff_price", "appliance", "cost", "instalments",
)  # fmt: skip


@attrs.frozen(kw_only=True)
class _Round:
    """Seconds of both sides, and by how many megabytes ours let the process grow."""

    ours: float
    theirs: float
    grown: float


def registration_figures(*, rows: int = _ROWS) -> Iterator[Figure]:
    """Import a file on both databases, then insert its rows again with the bare driver.

    Args:
        rows: of the file.
    """
    look_for_garbage_seldom()  # as every command does
    measured: dict[str, list[_Round]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="mpm-bench-") as folder:
        path = Path(folder) / "devices.csv"
        _write_file(path, rows)
        for _ in range(_ROUNDS):
            with both_databases() as urls:
                for kind, url in urls.items():
                    measured[kind].append(_measure(url, path, rows))
    for kind, rounds in measured.items():
        yield _figure(kind, rounds, rows)


def _write_file(path: Path, rows: int) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(_HEADER)
        writer.writerows(_row(number) for number in range(rows))


def _row(number: int) -> Sequence[object]:
    village = ("Kagera", "Muleba", f"Village {number % _VILLAGES}")
    customer = ("Asha", f"Juma {number}", f"07{number + 10_000_000}")
    if number % _HOMES:
        device: Sequence[object] = ("meter", 47_000_000_000 + number, "calin", "Household", 1500)
        return (*village, *customer, *device, "", "", "")
    sold = ("Home 40", 300_000, _INSTALMENTS)
    return (*village, *customer, "shs", 10_000_000 + number, "sunking", "", "", *sold)


def _measure(url: str, path: Path, rows: int) -> _Round:
    engines = open_engines(url)
    upgrade(engines.write)
    try:
        peak = _peak_megabytes()
        ours = _import(engines, path, rows)
        grown = _peak_megabytes() - peak
        return _Round(ours=ours, theirs=_insert_again(engines.write), grown=grown)
    finally:
        engines.dispose()


def _figure(kind: str, rounds: Sequence[_Round], rows: int) -> Figure:
    ratios = sorted(each.theirs / each.ours for each in rounds)
    first = rounds[0]  # later ones find the memory that the comparison needed
    return Figure(
        name=f"bulk registration against the driver's own bulk insert of the same rows, {kind}",
        value=statistics.median(ratios),
        target=0.3,
        at_most=False,
        note=(
            f"{rows:,} rows: best {min(each.ours for each in rounds):.1f} s against "
            f"{min(each.theirs for each in rounds):.1f} s; ratios of {_ROUNDS} rounds "
            f"{', '.join(f'{ratio:.2f}' for ratio in ratios)}; memory grew by {first.grown:.0f} MB"
        ),
        command="python -m tests.benchmarks --only registration",
    )


def _import(engines: Engines, path: Path, rows: int) -> float:
    company = SmallCompany(engines)
    refused: list[RowReport] = []

    def note(report: RowReport) -> None:
        if report.message:
            refused.append(report)

    began = time.perf_counter()
    summary = import_file(engines, company.context, path, ImportOptions(), note)
    took = time.perf_counter() - began
    if summary.created != rows:
        raise RuntimeError(f"{rows - summary.created} rows were refused: {refused[:3]}")
    return took


def _insert_again(engine: Engine) -> float:
    """Take out what the import wrote and put it back with nothing but the driver."""
    columns = {table: [column.name for column in table.c] for table in _WRITTEN}
    with engine.begin() as connection:
        held = {table: _raw_rows(connection, table, columns[table]) for table in _WRITTEN}
        for table in reversed(_WRITTEN):
            connection.exec_driver_sql(f"DELETE FROM {table.name}")  # noqa: S608 - our own name
    settle(engine)
    mark = _MARK[engine.dialect.name]
    with engine.begin() as connection:
        cursor = connection.connection.cursor()
        began = time.perf_counter()
        for table in _WRITTEN:
            marks = ", ".join([mark] * len(columns[table]))
            names = ", ".join(columns[table])
            cursor.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", held[table])  # noqa: S608 - as above
        connection.connection.commit()
        return time.perf_counter() - began


def _raw_rows(connection: sa.Connection, table: sa.Table, columns: Sequence[str]) -> list[Any]:
    """Read rows as the driver has them, without our types."""
    cursor = connection.connection.cursor()
    cursor.execute(f"SELECT {', '.join(columns)} FROM {table.name}")  # noqa: S608 - our own names
    return [tuple(_plain(value) for value in row) for row in cursor.fetchall()]


def _plain(value: object) -> object:
    return str(value).replace("'", '"') if isinstance(value, dict) else value


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
