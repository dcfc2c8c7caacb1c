"""People's passwords: rules, Argon2 hashes, and checks that take as long for nobody's password."""

from __future__ import annotations

import functools

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from mpm_core import Secret
from mpm_host.access.access_refusals import AccessCode
from mpm_host.refusals import ServiceRefused

__all__ = ["check_password", "hash_password", "matches", "needs_new_hash"]

SHORTEST, LONGEST = 8, 128  # characters; the longest bounds what hashing may cost
_HASHER = PasswordHasher()  # Argon2id with the library's defaults, the low-memory ones of RFC 9106
_COMMON = frozenset(
    {
        "12345678", "123456789", "1234567890", "password", "password1", "passw0rd", "qwertyui",
        "qwerty123", "iloveyou", "11111111", "00000000", "abcd1234", "abc12345", "sunshine",
        "football", "princess", "letmein1", "changeme", "admin123", "administrator", "welcome1",
        "88888888", "12341234", "asdfghjk", "1q2w3e4r", "1qaz2wsx", "trustno1", "superman",
    }
)  # fmt: skip


def check_password(password: Secret, *, email: str = "") -> Secret:
    """Return a new password that may be used.

    Args:
        password: as typed; every character counts.
        email: whose it becomes.

    Raises:
        ServiceRefused: `password_invalid`; the message does not repeat it.
    """
    text = password.reveal()
    if not SHORTEST <= len(text) <= LONGEST:
        raise _invalid(f"has {len(text)} characters; choose {SHORTEST} to {LONGEST}")
    if not _can_be_typed(text):
        raise _invalid("has characters that cannot be typed; leave them out")
    if text.casefold() in _COMMON or len(set(text)) == 1:
        raise _invalid("is one that many people use; choose another")
    if email and text.casefold() in {email.casefold(), email.casefold().partition("@")[0]}:
        raise _invalid("is the e-mail address; choose another")
    return password


def hash_password(password: Secret) -> str:
    """Return what to store; takes about a tenth of a second, so never inside a transaction."""
    return _HASHER.hash(password.reveal())


def matches(stored: str | None, password: Secret) -> bool:
    """Compare a password with a stored hash; without one it takes as long and is wrong."""
    try:
        _HASHER.verify(stored or _nobodys(), password.reveal()[:LONGEST])
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
    return stored is not None and len(password.reveal()) <= LONGEST


def needs_new_hash(stored: str) -> bool:
    """Tell whether a hash was made with parameters that are no longer ours."""
    return _HASHER.check_needs_rehash(stored)


@functools.cache
def _nobodys() -> str:
    return _HASHER.hash("a password that nobody has")


def _can_be_typed(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character
        return False
    return text.isprintable()


def _invalid(what: str) -> ServiceRefused:
    return ServiceRefused(AccessCode.PASSWORD_INVALID, f"The password {what}.")
