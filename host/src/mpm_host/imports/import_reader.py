"""Reading an import file: bytes in, numbered rows of named texts out, in flat memory.

UTF-8 with or without a byte order mark, commas or semicolons, any line ends, quoted cells. A file
is looked through once before anything is done with it, so what cannot be read is one clear error
and never half an import.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TextIO

import attrs

from mpm_core import UserError
from mpm_host.imports.import_columns import COLUMNS, read_header
from mpm_host.imports.import_details import is_details_column

__all__ = ["FileShape", "RawRow", "inspect_file", "read_rows"]

_DELIMITERS = (",", ";")
_LONGEST_LINE = 100_000  # characters; longer is not a table


@attrs.frozen(kw_only=True)
class FileShape:
    """What a first look at a file tells.

    Attributes:
        delimiter: between cells.
        header: names of the columns, in the file's order.
        rows: how many rows hold something, without the header.
    """

    delimiter: str
    header: tuple[str, ...]
    rows: int

    @cached_property
    def details(self) -> tuple[str, ...]:
        """The columns of the header that hold what manufacturers ask of their devices."""
        return tuple(name for name in self.header if is_details_column(name))


@attrs.frozen(kw_only=True)
class RawRow:
    """One row as texts without surrounding blanks.

    Attributes:
        number: as a spreadsheet counts: the header is row 1.
        cells: those that hold something, by column name; none of them when the row has another
            number of cells than the header.
        count: how many cells it has.
    """

    number: int
    cells: Mapping[str, str]
    count: int


def inspect_file(path: Path) -> FileShape:
    """Look through a whole file: its header, and whether every row can be read.

    Raises:
        UserError: it cannot be opened or read, or its header is wrong; one line that says where.
    """
    delimiter = _find_delimiter(path)
    with _records(path, delimiter) as records:
        first = next(records, None)
        if first is None:
            raise UserError(f"{path} is empty; its first row must name the columns.")
        try:
            header = read_header(first[1])
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
        rows = sum(1 for _ in records)
    return FileShape(delimiter=delimiter, header=header, rows=rows)


def read_rows(path: Path, shape: FileShape) -> Iterator[RawRow]:
    """Yield the rows of a file that was looked through; blank ones are left out.

    Raises:
        UserError: the file changed meanwhile and cannot be read any more.
    """
    with _records(path, shape.delimiter) as records:
        next(records, None)  # the header
        for number, cells in records:
            yield _row(number, cells, shape.header)


def _row(number: int, cells: Sequence[str], header: Sequence[str]) -> RawRow:
    texts = [cell.strip() for cell in cells]
    while len(texts) > len(header) and not texts[-1]:  # spreadsheets add empty cells
        texts.pop()
    fits = len(texts) == len(header)
    named = {name: text for name, text in zip(header, texts, strict=True) if text} if fits else {}
    return RawRow(number=number, cells=named, count=len(texts))


def _find_delimiter(path: Path) -> str:
    """Choose the delimiter that finds most known columns in the first row."""
    known = {column.name for column in COLUMNS}

    def found(delimiter: str) -> int:
        with _records(path, delimiter) as records:
            _, cells = next(records, (0, []))
        return len(known & {cell.strip().lower() for cell in cells})

    return max(_DELIMITERS, key=found)


@contextmanager
def _records(path: Path, delimiter: str) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Open a file as numbered records; whatever goes wrong with it is one plain line."""
    records = None
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            records = csv.reader(_lines(path, stream), delimiter=delimiter, strict=True)
            yield (
                (number, cells)
                for number, cells in enumerate(records, start=1)
                if any(map(str.strip, cells))
            )
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text ({error.reason}); save it as “CSV UTF-8”."
        ) from None
    except csv.Error as error:
        line = records.line_num if records is not None else 0
        raise UserError(f"{path}: line {line} cannot be read: {error}.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None


def _lines(path: Path, stream: TextIO) -> Iterator[str]:
    number = 0
    while line := stream.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE and not line.endswith(("\n", "\r")):
            raise UserError(f"{path}: line {number} is longer than {_LONGEST_LINE} characters.")
        yield line
