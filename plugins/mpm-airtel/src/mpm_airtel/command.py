"""The wire: a COMMAND with flat upper-case children, in XML or, if enabled, in JSON."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from types import MappingProxyType

from mpm_airtel.mapping import FIELDS
from mpm_core import FlatDocument, InboundCall, Malformed, Reply, read_flat_xml, write_flat_xml
from mpm_core.exact_json import read_json, write_json

__all__ = ["is_json", "read_command", "write_command"]

_ROOT = "COMMAND"
_XML_TYPE = "application/xml; charset=utf-8"
_JSON_TYPE = "application/json"


def is_json(call: InboundCall) -> bool:
    """Tell by the body's first character: content types of real gateways cannot be relied on."""
    return call.body.lstrip()[:1] == b"{"


def read_command(call: InboundCall, *, accept_json: bool) -> FlatDocument:
    """Read the children of a COMMAND.

    Raises:
        Malformed: it is none. No `fields` are named, which tells it from a COMMAND with a wrong
            field: only the former is answered with HTTP 400. Or a field of the JSON variant is
            neither text nor number; members that are no fields of ours are ignored.
    """
    if accept_json and is_json(call):
        return _read_json(call.body)
    try:
        document = read_flat_xml(call.body)
    except Malformed as error:
        raise Malformed(str(error)) from error
    if document.root != _ROOT:
        raise Malformed(f"The root element is not {_ROOT}.")
    return document


def _read_json(body: bytes) -> FlatDocument:
    try:
        values = read_json(body.decode("utf-8"))
    except ValueError:
        raise Malformed("The body is no JSON in UTF-8.") from None
    if not isinstance(values, dict):  # pragma: no cover - a JSON text that starts with { is one
        raise Malformed("The body is no JSON object.")
    given = {name: value for name, value in values.items() if value is not None}
    fields = {name: str(value) for name, value in given.items() if _is_field(value)}
    wrong = tuple(name for name in given if name in FIELDS and name not in fields)
    if wrong:
        sentence = ", ".join(f"{name} is neither text nor number" for name in wrong)
        raise Malformed(f"{sentence}.", wrong)
    return FlatDocument(root=_ROOT, namespace="", fields=MappingProxyType(fields))


def _is_field(value: object) -> bool:
    """Tell whether XML could hold it; a number with an exponent keeps it and is refused later."""
    return isinstance(value, str | int | Decimal) and not isinstance(value, bool)


def write_command(
    children: Sequence[tuple[str, str]], *, http_status: int = 200, as_json: bool = False
) -> Reply:
    """Write a COMMAND with its children in the order given."""
    if as_json:
        body = write_json(dict(children))
        return Reply(status=http_status, content_type=_JSON_TYPE, body=body)
    body = write_flat_xml(_ROOT, children)
    return Reply(status=http_status, content_type=_XML_TYPE, body=body)
