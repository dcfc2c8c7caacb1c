"""For maintainers: write the revision that brings the migrations in line with `tables`.

    python -m mpm_host.database.new_revision "Add a table of meters"

It compares `tables` with an empty database upgraded to the newest revision. What it writes is a
draft: triggers, data and renamed columns are beyond it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from mpm_core import UserError
from mpm_host.database.engines import open_engines
from mpm_host.database.upgrade import alembic_config, head, upgrade

__all__ = ["main"]


def main(message: str) -> None:
    """Write the draft of the next revision."""
    from alembic import command  # noqa: PLC0415 - nothing else here should pay for it

    following = f"{int(head()) + 1:04d}"
    with tempfile.TemporaryDirectory() as folder:
        engines = open_engines(f"sqlite:///{Path(folder) / 'compare.db'}")
        upgrade(engines.write)
        with engines.write.begin() as connection:
            config = alembic_config(connection)
            config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
            command.revision(config, message, autogenerate=True, rev_id=following)
        engines.dispose()


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and its one argument
        raise UserError('Give one argument: what the revision does, such as "Add a table".')
    main(sys.argv[1])
