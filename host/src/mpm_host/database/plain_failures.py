"""What a database says instead of doing its work, told to whoever typed a command.

A database that is gone, locked or full, and one that refuses its role something, are nobody's bug:
each is one plain line. Anything else is raised as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from mpm_core.errors import UserError
from mpm_host.database.outages import outage_code

__all__ = ["database_failures_told"]

_REFUSED = "42501"  # insufficient_privilege: PostgreSQL's word for it in every language
# What an English server says, and what its owner may grant then.
_GRANTS = {
    r"for (schema \S+)$": "USAGE, CREATE ON {}",
    r"for (database \S+)$": "CREATE ON {}",
    r"for table mpm_\w+$": "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public",
}


@contextmanager
def database_failures_told(url: str) -> Iterator[None]:
    """Tell what a database cannot or will not do, while the block works with it.

    Args:
        url: of the database.

    Raises:
        UserError: it gives up, or its role may not do what is needed; says what to do.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        reason = str(error.orig).partition("\n")[0].rstrip(".")
        if getattr(error.orig, "sqlstate", None) == _REFUSED:
            raise UserError(_refused(reason, sa.make_url(url).username)) from None
        if not outage_code(error):
            raise
        raise UserError(
            f"The database gave up ({reason}); look after it, then try again."
        ) from None


def _refused(reason: str, role: str | None) -> str:
    named = f"role {role}" if role else "this role"
    return (
        f"The database refused {named} what is needed ({reason}); let the owner "
        f"{_grant(reason, role)}, or make {named} the owner."
    )


def _grant(reason: str, role: str | None) -> str:
    for said, rights in _GRANTS.items():
        if found := re.search(said, reason):
            return f"GRANT {rights.format(*found.groups())} TO {role or 'this role'}"
    return "grant that"
