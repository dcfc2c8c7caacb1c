"""Telling a database that is gone, hangs or is damaged from a statement of ours that is wrong.

What is wrong with it is one word, for logs and for `/readyz`: its own text may hold an address, a
name or somebody's number.
"""

from __future__ import annotations

import sqlalchemy as sa

__all__ = ["error_facts", "is_outage", "is_passing", "outage_code"]

# What a database or its driver says, in small letters, and the word for it; the first that fits.
_SIGNS = {
    "connection refused": "database_refused",
    "authentication failed": "database_authentication",
    "no password supplied": "database_authentication",
    "is the server running": "database_refused",
    "starting up": "database_starting",
    "malformed": "database_damaged",
    "not a database": "database_damaged",
    "did not answer within": "database_hangs",
    "read-only": "database_read_only",
    "readonly": "database_read_only",
    "recovery": "database_read_only",
    "full": "database_full",
    "no space": "database_full",
    "disk i/o": "database_broken",
    "input/output": "database_broken",
    "locked": "database_locked",
    "lock timeout": "database_locked",
}


def is_outage(error: sa.exc.SQLAlchemyError) -> bool:
    """Tell whether somebody must look after the database, rather than after our code.

    A damaged SQLite file raises `DatabaseError` itself; its other kinds are about the statement.
    """
    if isinstance(error, (sa.exc.OperationalError, sa.exc.TimeoutError)):
        return True
    return type(error) is sa.exc.DatabaseError or _is_read_only(error)


def is_passing(error: BaseException) -> bool:
    """Tell whether what failed on the database may work in a moment: it is gone, full or busy.

    A damaged file is an outage, too, but does not mend itself.
    """
    passing = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError)
    return isinstance(error, passing) or _is_read_only(error)


def _is_read_only(error: BaseException) -> bool:
    """Tell whether a server has just become a standby; drivers count that among our own errors."""
    return isinstance(error, sa.exc.InternalError) and bool(_sign_in(error))


def _sign_in(error: BaseException) -> str:
    text = str(getattr(error, "orig", "")).lower()
    return next((code for sign, code in _SIGNS.items() if sign in text), "")


def outage_code(error: BaseException) -> str:
    """Name what is wrong with the database: `database` if that is all that is known.

    The texts of errors that are about a statement are not even looked at: they repeat its values.

    Returns:
        The word; empty if it is not the database that failed.
    """
    if not isinstance(error, sa.exc.SQLAlchemyError) or not is_outage(error):
        return ""
    return _sign_in(error) or "database"


def error_facts(error: BaseException) -> dict[str, str]:
    """Return what a log may say of an error: its kind, and of an outage which one it is."""
    code = outage_code(error)
    return {"error": type(error).__name__} | ({"code": code} if code else {})
