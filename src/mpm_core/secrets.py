"""`Secret`: a text that cannot leak by accident.

It has no value in `repr`, `str`, format strings, JSON or pickles; whoever needs the text asks for
it by name with `reveal()`, which is easy to find in a review.
"""

from __future__ import annotations

import hmac
from typing import Never, final

__all__ = ["Secret", "hide_secrets"]

MASK = "••••••"


@final
class Secret:
    """A credential or a token code.

    Two secrets are equal when their texts are, compared in constant time; they hash alike so that
    they may stand in frozen values.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text: only where it goes on a wire, into encryption or to its owner."""
        return self._text

    def matches(self, candidate: str) -> bool:
        """Compare with an untrusted text in constant time."""
        # JSON can carry lone surrogates into both; an encoding error would hold the whole text.
        own, other = (text.encode("utf-8", "surrogatepass") for text in (self._text, candidate))
        return hmac.compare_digest(own, other)

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __format__(self, _spec: str) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other._text)

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> Never:
        raise TypeError("A Secret cannot be pickled or copied; pass the Secret itself on.")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, _memo: object) -> Secret:
        return self


def hide_secrets(text: str, *secrets: Secret) -> str:
    """Return a text of somebody else, such as a vendor's words, with our secrets in it masked.

    Call it before the text is cut, for a part of a secret is not found.

    Args:
        text: what may repeat our request.
        secrets: what our request held: settings, access tokens.
    """
    from urllib.parse import quote_plus  # noqa: PLC0415 - late: import budget

    given = [secret.reveal() for secret in secrets]
    written = {form for plain in given for form in (plain, quote_plus(plain, errors="replace"))}
    for form in sorted(written - {""}, key=len, reverse=True):  # one may hold another
        text = text.replace(form, MASK)
    return text
