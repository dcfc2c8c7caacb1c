"""What every service of a host works with: handed over as one value, so that none asks for five."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from mpm_core.company_plugins import CompanyPlugins
from mpm_host.backoff import Draw, draw_any
from mpm_host.clock import Clock
from mpm_host.database.engines import Engines
from mpm_host.directory import Directory
from mpm_host.encryption import Vault

__all__ = ["Resources"]


@attrs.frozen(kw_only=True)
class Resources:
    """An installation's database, keys, time, companies and plugins.

    Attributes:
        engines: the database.
        vault: encrypts and decrypts what is stored: tokens, texts, devices' details.
        clock: tells the time: decides every date and what is due.
        directory: returns companies and instances as they are now; they change while we run.
        plugins_of: returns one company's loaded plugins, as they are now.
        draw: chance, which keeps crowds from coming back at the same moment.
    """

    engines: Engines
    vault: Vault
    clock: Clock
    directory: Callable[[], Directory]
    plugins_of: Callable[[str], CompanyPlugins]
    draw: Draw = draw_any
