"""Wrong credentials for a plugin."""

from __future__ import annotations

from mpm_core.secrets import Secret
from mpm_core.settings import describe
from mpm_core.testing.subjects import Subject

__all__ = ["has_secrets", "wrong_secrets"]


def has_secrets(subject: Subject) -> bool:
    """Tell whether a plugin has a secret setting that its simulator fills in."""
    return bool(wrong_secrets(subject))


def wrong_secrets(subject: Subject) -> dict[str, object]:
    """Return wrong values for every secret its simulator's settings have."""
    given = subject.simulator().settings("http://127.0.0.1:9")
    return {
        description.name: f"wrong-{given[description.name]}"
        for description in describe(subject.manifest.settings_class)
        if description.secret and isinstance(given.get(description.name), str | Secret)
    }
