"""The composition root: one opened installation, from which everything else is made."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from mpm_host.clock import Clock, system_clock
from mpm_host.companies.audit_trail import Actor
from mpm_host.companies.companies import Companies
from mpm_host.companies.company_reconciliation import reconcile
from mpm_host.configuration.config_values import Config
from mpm_host.database.engines import Engines, open_engines
from mpm_host.database.exclusive_lock import ExclusiveLock, lock_database
from mpm_host.database.patience import SERVING, Timeouts
from mpm_host.database.upgrade import require_current
from mpm_host.encryption import Vault
from mpm_host.outbox.outbox import keep_outbox
from mpm_host.plugins.plugin_house import PluginHouse
from mpm_host.resources import Resources

__all__ = ["Host"]


class Host:
    """An opened installation.

    Attributes:
        config: what `mpm.toml` says.
        clock: tells the time everywhere.
        engines: the database.
        vault: encrypts at rest.
        house: the plugins of every company, and the directory.
        companies: changes companies and their instances.
        resources: what the services of this installation work with.
    """

    def __init__(
        self, *, config: Config, clock: Clock, engines: Engines, vault: Vault, house: PluginHouse
    ) -> None:
        self.config = config
        self.clock = clock
        self.engines = engines
        self.vault = vault
        self.house = house
        self.companies = Companies(engines=engines, vault=vault, house=house)
        self.resources = Resources(
            engines=engines,
            vault=vault,
            clock=clock,
            directory=lambda: house.directory,
            plugins_of=house.plugins_of,
        )
        self._lock: ExclusiveLock | None = None

    @classmethod
    def open(
        cls, config: Config, *, clock: Clock = system_clock, timeouts: Timeouts = SERVING
    ) -> Self:
        """Open an installation without touching its database; `load` or `reconcile` comes next.

        Args:
            config: what `mpm.toml` says.
            clock: tells the time everywhere.
            timeouts: how long to wait for the database.

        Raises:
            UserError: the database's URL or a key is none.
        """
        vault = Vault(config.host.secret_keys)
        engines = open_engines(config.host.database, timeouts)
        house = PluginHouse(config=config, vault=vault, engines=engines, clock=clock)
        keep_outbox(engines.write, lambda: house.directory)
        return cls(config=config, clock=clock, engines=engines, vault=vault, house=house)

    def load(self) -> None:
        """Read the companies and load their plugins, changing nothing: for commands that look.

        Raises:
            UserError: the database cannot be opened, or its tables are of another version.
        """
        require_current(self.engines.read)  # who only looks stands behind no writer
        self.house.reload()

    def reconcile(self) -> tuple[str, ...]:
        """Do what `load` does, after bringing the database in line with `mpm.toml`.

        Returns:
            One line per company or instance that was changed.

        Raises:
            UserError: as `load`, or a declared company cannot be as declared.
        """
        require_current(self.engines.write)
        actor = Actor(name="configuration", at=self.clock())
        with self.engines.write.begin() as connection:
            lines = reconcile(connection, self.config.companies, actor)
        self.house.reload()
        return lines

    def lock_database(self) -> None:
        """Keep other servers and workers off an SQLite database, until closed.

        Raises:
            UserError: one is running.
        """
        self._lock = self._lock or lock_database(self.config.host.database)

    def close(self) -> None:
        """Begin no further vendor calls, close the database, release its lock."""
        self.house.close()
        self.engines.dispose()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()
