"""`mpm`, also as `python -m mpm_host`."""

from __future__ import annotations

from mpm_host.commands import cli

__all__ = ["main"]


def main() -> None:
    """Run the command line and end the process with its exit code."""
    cli(prog_name="mpm")


if __name__ == "__main__":
    main()
