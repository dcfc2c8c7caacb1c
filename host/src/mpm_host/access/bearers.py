"""Bearers: the random texts that API keys and sessions are, and what is stored of them."""

from __future__ import annotations

import hashlib
import secrets
from enum import StrEnum

from mpm_core import Secret

__all__ = ["BearerKind", "digest_of", "kind_of", "new_bearer"]

_RANDOM_BYTES = 32


class BearerKind(StrEnum):
    """What a bearer is; its text begins with it, so that scanners for leaked secrets find it."""

    API_KEY = "mpmk"
    SESSION = "mpms"


def new_bearer(kind: BearerKind) -> Secret:
    """Return a bearer with 256 random bits; it is shown once and only its digest stored."""
    return Secret(f"{kind.value}_{secrets.token_urlsafe(_RANDOM_BYTES)}")


def kind_of(bearer: Secret) -> BearerKind | None:
    """Tell what a bearer claims to be."""
    prefix = bearer.reveal().partition("_")[0]
    return next((kind for kind in BearerKind if kind.value == prefix), None)


def digest_of(bearer: Secret) -> str:
    """Return what is stored: fast, because nobody can guess 256 bits."""
    return hashlib.sha256(bearer.reveal().encode("utf-8", "surrogatepass")).hexdigest()
