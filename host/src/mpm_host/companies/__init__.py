"""Companies and their instances: created, changed, reconciled with the configuration, audited."""

from __future__ import annotations
