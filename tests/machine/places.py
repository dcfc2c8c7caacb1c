"""Where the machine runs: a fresh copy of a database with the company in it for every run."""

from __future__ import annotations

import shutil
from collections import Counter

from tests.machine.company import make_company
from tests.machine.real_host import RealHost

__all__ = ["PostgresPlace", "SqlitePlace"]


class _Place:
    def __init__(self, folder):
        self.folder = folder
        self.reached = Counter()

    def note(self, model):
        """Count where payments and orders ended, to show what the runs were worth."""
        self.reached["runs"] += 1
        for paid in model.payments.values():
            self.reached[f"payments {paid.status}"] += 1
            self.reached["second mints approved"] += paid.approved
            for order in paid.orders:
                self.reached[f"orders {order.status}"] += 1
                self.reached["attempts"] += order.attempts

    def _fill(self, url):
        real = RealHost(url, self.folder)
        make_company(real)
        real.close()


class SqlitePlace(_Place):
    """Copies of one file."""

    def __init__(self, template, folder):
        super().__init__(folder)
        self._file, self._template = folder / "machine.db", folder / "company.db"
        shutil.copyfile(template, self._template)
        self._fill(f"sqlite:///{self._template}")

    def new_url(self):
        """Copy the company's database."""
        self.drop()
        shutil.copyfile(self._template, self._file)
        return f"sqlite:///{self._file}"

    def drop(self):
        """Forget the copy."""
        for suffix in ("", "-wal", "-shm"):
            self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)


class PostgresPlace(_Place):
    """Copies of one database of a server."""

    def __init__(self, server, template, folder):
        super().__init__(folder)
        self._server, self._name = server, None
        self._template = server.create(template=template)
        self._fill(server.url(self._template))

    def new_url(self):
        """Copy the company's database."""
        self.drop()
        self._name = self._server.create(template=self._template)
        return self._server.url(self._name)

    def drop(self):
        """Forget the copy."""
        if self._name is not None:
            self._server.drop(self._name)
            self._name = None
