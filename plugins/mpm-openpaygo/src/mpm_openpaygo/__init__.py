"""OpenPAYGO Token devices for mpm: codes computed locally."""

from __future__ import annotations
