"""What plugins are told after a commit: kept with the fact, handed over by a worker."""

from __future__ import annotations
