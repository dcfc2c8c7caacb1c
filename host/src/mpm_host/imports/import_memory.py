"""What an import remembers of the rows it has been through, so that a dry run knows them too.

An import that writes reads back what landed, and heeds only which serials there were.

Serials and customers are as many as rows: they go to a temporary file of their own, so memory stays
flat. Places, tariffs and appliances are few.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager

import attrs

from mpm_host.imports.import_rows import PlacePath
from mpm_host.registration.appliances import StoredAppliance
from mpm_host.registration.tariff_book import StoredTariff

__all__ = ["FileMemory", "KnownCustomer", "file_memory"]

_TABLES = """
    CREATE TABLE serial (serial TEXT PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE customer (phone TEXT NOT NULL, id TEXT NOT NULL, name TEXT, surname TEXT);
    CREATE INDEX customer_phone ON customer (phone);
"""


@attrs.frozen(kw_only=True)
class KnownCustomer:
    """A customer that a phone number means."""

    id: str
    name: str
    surname: str


class FileMemory:
    """What rows before made, or would have made."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._connection.executescript(_TABLES)
        self.places: dict[PlacePath, str] = {}
        self.tariffs: dict[str, StoredTariff] = {}
        self.appliances: dict[str, StoredAppliance] = {}

    def rows_of(self, serials: Iterable[str]) -> dict[str, int]:
        """Return in which row each serial was named before."""
        found = self._find("SELECT serial, row FROM serial WHERE serial IN", serials)
        return {serial: int(row) for serial, row in found}

    def customers_of(self, phones: Iterable[str]) -> dict[str, list[KnownCustomer]]:
        """Return the customers that rows before made, by phone."""
        query = "SELECT phone, id, name, surname FROM customer WHERE phone IN"
        customers: dict[str, list[KnownCustomer]] = defaultdict(list)
        for phone, identifier, name, surname in self._find(query, phones):
            customers[phone].append(KnownCustomer(id=identifier, name=name, surname=surname))
        return customers

    def remember_serials(self, rows: Mapping[str, int]) -> None:
        """Keep the first row of each serial."""
        self._connection.executemany("INSERT OR IGNORE INTO serial VALUES (?, ?)", rows.items())

    def remember_customers(self, customers: Mapping[str, KnownCustomer]) -> None:
        """Keep new customers by phone."""
        self._connection.executemany(
            "INSERT INTO customer VALUES (?, ?, ?, ?)",
            ((phone, it.id, it.name, it.surname) for phone, it in customers.items()),
        )

    def _find(self, query: str, keys: Iterable[str]) -> sqlite3.Cursor:
        wanted = sorted(set(keys))
        marks = ", ".join("?" * len(wanted))
        return self._connection.execute(f"{query} ({marks})", wanted)


@contextmanager
def file_memory() -> Iterator[FileMemory]:
    """Open an empty memory; SQLite keeps it in a temporary file and deletes that at the end."""
    with closing(sqlite3.connect("")) as connection:
        yield FileMemory(connection)
