"""What `mpm_check` answers."""

from __future__ import annotations

import attrs

__all__ = ["Health"]


@attrs.frozen(kw_only=True)
class Health:
    """Whether the other side answers with these settings.

    Attributes:
        ok: it does.
        detail: one plain sentence for `mpm doctor`; what to do, if it does not.
    """

    ok: bool
    detail: str = ""
