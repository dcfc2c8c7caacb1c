"""One module per revision, numbered `0001`, `0002`, … in the order they are applied.

A revision never imports the host's code: it must do the same for ever. Make a new one with
`python -m mpm_host.database.new_revision "what it does"`, then read and correct it.
"""

from __future__ import annotations
