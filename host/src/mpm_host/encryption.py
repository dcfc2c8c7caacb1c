"""Encryption at rest of tokens, message bodies and credentials, with keys that can rotate."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from mpm_core import Secret, UserError

__all__ = ["Vault", "new_key"]


def new_key() -> str:
    """Return a fresh key, as written to the key file."""
    return Fernet.generate_key().decode()


class Vault:
    """Encrypts with the first key and decrypts with any.

    Args:
        keys: newest first, each as `new_key` makes them.

    Raises:
        UserError: there is no key, or one of them is none. The message never repeats it.
    """

    def __init__(self, keys: Sequence[Secret]) -> None:
        if not keys:
            raise UserError("[host] secret_key is missing; run `mpm init` or set it.")
        try:
            self._cipher = MultiFernet([Fernet(key.reveal()) for key in keys])
        except ValueError:
            raise UserError(
                "[host] secret_key is not a key; use the text that `mpm init` writes to mpm.key."
            ) from None
        # The oldest key, so that rotation by adding a newer one keeps digests comparable.
        self._digest_key = hashlib.sha256(b"mpm digest " + keys[-1].reveal().encode()).digest()

    def seal(self, text: str) -> bytes:
        """Encrypt a text."""
        return self._cipher.encrypt(text.encode())

    def open(self, sealed: bytes) -> str:
        """Decrypt what `seal` made.

        Raises:
            UserError: none of the keys fits.
        """
        try:
            return self._cipher.decrypt(sealed).decode()
        except InvalidToken:
            raise UserError(
                "Stored data cannot be decrypted with [host] secret_key; put the former key back "
                "as the last of the list."
            ) from None

    def seal_codes(self, codes: Sequence[Secret]) -> bytes:
        """Encrypt a grant's codes."""
        return self.seal(json.dumps([code.reveal() for code in codes]))

    def open_codes(self, sealed: bytes) -> tuple[Secret, ...]:
        """Decrypt a grant's codes."""
        return tuple(Secret(code) for code in json.loads(self.open(sealed)))

    def digest_codes(self, codes: Sequence[Secret]) -> str | None:
        """Return a keyed digest to recognise the same codes again; `None` without codes."""
        if not codes:
            return None
        text = "\n".join(code.reveal() for code in codes)
        return hmac.new(self._digest_key, text.encode(), hashlib.sha256).hexdigest()

    def digest_parts(self, parts: Iterable[bytes]) -> str:
        """Return a keyed digest to recognise the same parts again: nobody can guess them by it."""
        digest = hmac.new(self._digest_key, digestmod=hashlib.sha256)
        for part in parts:
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()
