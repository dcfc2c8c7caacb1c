"""Logs: structured lines on standard error, one JSON object each."""

from __future__ import annotations

import logging

import structlog

__all__ = ["configure_logs"]


def configure_logs(*, quiet: bool = False) -> None:
    """Set up logging for a process.

    Args:
        quiet: only what must not be missed; for commands whose output people read.
    """
    level = logging.CRITICAL if quiet else logging.INFO
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                _with_fields,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("dbos").setLevel(logging.CRITICAL if quiet else logging.ERROR)


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
