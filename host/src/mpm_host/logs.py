"""Logs: structured lines on standard error, one JSON object each.

Our own lines go straight to the stream. Those of the core and of libraries, which know no
structlog, come through the standard library and are given the same form.
"""

from __future__ import annotations

import atexit
import logging
import sys

import structlog

from mpm_host.gathered_lines import GatheredLines

__all__ = ["configure_logs"]


def configure_logs(*, quiet: bool = False) -> None:
    """Set up logging for a process.

    Args:
        quiet: only what must not be missed; for commands whose output people read.
    """
    level = logging.CRITICAL if quiet else logging.INFO
    lines = GatheredLines(sys.stderr)
    atexit.register(lines.flush)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    to_json = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, to_json],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_name: _Lines(lines),
        cache_logger_on_first_use=True,
    )
    handler = _Handler(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                _with_fields,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                to_json,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("dbos").setLevel(logging.CRITICAL if quiet else logging.ERROR)


class _Lines:
    """Where structlog leaves what it has rendered: what is no mere news is urgent."""

    def __init__(self, lines: GatheredLines) -> None:
        self.debug = self.info = lines.say
        self.warning = self.error = self.critical = lines.say_at_once


class _Handler(logging.Handler):
    """The same for lines that come through the standard library."""

    def __init__(self, lines: GatheredLines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - whatever a library logs must not become its own failure
            self.handleError(record)
            return
        is_urgent = record.levelno >= logging.WARNING
        (self._lines.say_at_once if is_urgent else self._lines.say)(line)


def _with_fields(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Give lines of the core, which knows no structlog, their fields instead of one long text."""
    record = event.get("_record")
    fields = getattr(record, "mpm_fields", None)
    if fields:
        event["event"] = record.mpm_event  # type: ignore[union-attr]  # they come together
        event.update(fields)
    return event
