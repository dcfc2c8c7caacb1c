"""Reading and writing the flat XML of the telecoms, safely.

A flat document is one root with children that hold text. Everything an attacker can do with XML
beyond that (DTDs, entities, inclusion, other encodings, depth, size, repeated elements) is refused
before a plugin sees it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import attrs

from mpm_core.errors import Malformed

__all__ = ["DEFAULT_LIMITS", "FlatDocument", "XmlLimits", "read_flat_xml", "write_flat_xml"]

_DECLARED_ENCODING = re.compile(r"""\A\s*<\?xml\b[^>]*?\bencoding\s*=\s*["']([^"'>]*)["']""")
_ACCEPTED_ENCODINGS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SHOWN_NAME = 40  # characters of a stranger's element name that may enter a message
_ROOT_DEPTH, _FIELD_DEPTH = 1, 2


@attrs.frozen(kw_only=True)
class XmlLimits:
    """How much of a document is read.

    Attributes:
        document_bytes: of the whole body.
        depth: nested elements, the root counts as one.
        elements: in all, the root included.
        text_bytes: UTF-8 bytes of text in one element.
    """

    document_bytes: int = 64 * 1024
    depth: int = 8
    elements: int = 200
    text_bytes: int = 4 * 1024


DEFAULT_LIMITS = XmlLimits()


@attrs.frozen(kw_only=True)
class FlatDocument:
    """One root and its text children, by local name (namespaces are not compared).

    Attributes:
        root: local name of the root.
        namespace: of the root, empty if it has none; some protocols want it echoed.
        fields: each child's text, exactly as sent. A child that holds elements is no field and is
            left out, as any unknown field would be.
    """

    root: str
    namespace: str
    fields: Mapping[str, str] = attrs.field(repr=", ".join)  # names only: texts may be secret

    def get(self, name: str) -> str:
        """Return a field without surrounding blanks; empty if it is missing."""
        return self.fields.get(name, "").strip()

    def require(self, *names: str) -> tuple[str, ...]:
        """Return fields without surrounding blanks, in the order asked for.

        Raises:
            Malformed: some are missing or blank; names all of them.
        """
        missing = tuple(name for name in names if not self.get(name))
        if missing:
            raise Malformed(f"Missing or empty: {', '.join(missing)}.", missing)
        return tuple(self.get(name) for name in names)


def read_flat_xml(
    body: bytes, *, root: str | None = None, limits: XmlLimits = DEFAULT_LIMITS
) -> FlatDocument:
    """Read an untrusted flat document.

    Args:
        body: the bytes as received.
        root: the local name the root must have; `None` accepts any.
        limits: how much is read at most.

    Raises:
        Malformed: the body is no such document, is too large, or tries one of XML's attacks;
            `fields` names the element at fault where there is one. The message has no text of it.
    """
    _check_bytes(body, limits)
    document = _parse(body, limits)
    if root is not None and document.root != root:
        raise Malformed(f"The root element is <{_shown(document.root)}>, not <{root}>.", (root,))
    return document


def write_flat_xml(root: str, children: Sequence[tuple[str, str]]) -> bytes:
    """Write a flat document as UTF-8 without a declaration, children in the order given.

    Characters that XML 1.0 cannot hold become U+FFFD, and line ends become a newline, as an XML
    reader would make them; no text can make this fail.

    Raises:
        ValueError: `root` or a child's name is no XML name; the caller's mistake.
    """
    from xml.sax.saxutils import escape  # noqa: PLC0415 - late: import budget

    inside = "".join(_element(name, escape(_printable(text))) for name, text in children)
    return _element(root, inside).encode()


def _element(name: str, inside: str) -> str:
    return f"<{_checked_name(name)}>{inside}</{name}>"


def _check_bytes(body: bytes, limits: XmlLimits) -> None:
    """Refuse what no parser should see: too much, another encoding, NUL."""
    if len(body) > limits.document_bytes:
        raise Malformed(
            f"The document has {len(body)} bytes; at most {limits.document_bytes} are read."
        )
    if b"\x00" in body:  # also every UTF-16 and UTF-32 text
        raise Malformed("The document holds NUL bytes; send UTF-8.")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"The document is not UTF-8 (byte {error.start}).") from None
    declared = _DECLARED_ENCODING.match(text)
    if declared and declared[1].lower() not in _ACCEPTED_ENCODINGS:
        raise Malformed(f"The encoding {_shown(declared[1])!r} is not read; send UTF-8.")


def _parse(body: bytes, limits: XmlLimits) -> FlatDocument:
    from defusedxml import DefusedXmlException  # noqa: PLC0415 - late: import budget
    from defusedxml.ElementTree import DefusedXMLParser, ParseError  # noqa: PLC0415 - the same

    reader = _FlatReader(limits)
    parser = DefusedXMLParser(
        target=reader, encoding="utf-8", forbid_dtd=True, forbid_entities=True, forbid_external=True
    )
    try:
        parser.feed(body)
        parser.close()
    except DefusedXmlException:  # its words would quote the document
        raise Malformed("The document has a DTD or entities; they are never read.") from None
    except ParseError as error:
        line, column = error.position
        raise Malformed(f"The document is not XML (line {line}, column {column + 1}).") from None
    return reader.document()


class _FlatReader:
    """Receives the parser's events and gathers the root's text children."""

    def __init__(self, limits: XmlLimits) -> None:
        self._limits = limits
        self._elements = 0
        self._open: list[str] = []  # local names from the root down
        self._root = ("", "")
        self._fields: dict[str, str | None] = {}  # None: the child holds elements
        self._texts: list[list[str]] = []  # of each open element
        self._sizes: list[int] = []

    def start(self, tag: str, _attributes: Mapping[str, str]) -> None:
        namespace, name = _split(tag)
        self._count(name)
        if not self._open:
            self._root = (namespace, name)
        elif len(self._open) == _ROOT_DEPTH:
            self._begin_field(name)
        else:
            self._fields[self._open[1]] = None
        self._open.append(name)
        self._texts.append([])
        self._sizes.append(0)

    def data(self, text: str) -> None:
        self._sizes[-1] += len(text.encode())
        if self._sizes[-1] > self._limits.text_bytes:
            raise self._refusal("holds more text than the limit", self._open[-1])
        self._texts[-1].append(text)

    def end(self, _tag: str) -> None:
        name, text = self._open.pop(), "".join(self._texts.pop())
        self._sizes.pop()
        depth = len(self._open) + 1
        if depth == _FIELD_DEPTH and self._fields[name] is not None:
            self._fields[name] = text
        elif depth <= _FIELD_DEPTH and self._fields and text.strip():
            raise self._refusal("mixes text with elements", name)

    def close(self) -> None:
        """Do nothing: the parser asks for it."""

    def document(self) -> FlatDocument:
        fields = {name: text for name, text in self._fields.items() if text is not None}
        return FlatDocument(
            namespace=self._root[0], root=self._root[1], fields=MappingProxyType(fields)
        )

    def _count(self, name: str) -> None:
        self._elements += 1
        if self._elements > self._limits.elements:
            raise self._refusal(f"comes after {self._limits.elements} elements, the limit", name)
        if len(self._open) >= self._limits.depth:
            raise self._refusal(f"is nested deeper than {self._limits.depth} elements", name)

    def _begin_field(self, name: str) -> None:
        if name in self._fields:  # two readers would disagree about which one counts
            raise self._refusal("is repeated", name)
        self._fields[name] = ""

    @staticmethod
    def _refusal(what: str, name: str) -> Malformed:
        return Malformed(f"The element <{_shown(name)}> {what}.", (_shown(name),))


def _split(tag: str) -> tuple[str, str]:
    """Split `{namespace}name`."""
    namespace, _, name = tag.rpartition("}")
    return namespace.removeprefix("{"), name


def _shown(name: str) -> str:
    return name if len(name) <= _SHOWN_NAME else f"{name[:_SHOWN_NAME]}…"


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no XML name; use letters, digits, '_', '-' and '.'.")
    return name


def _printable(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _NOT_IN_XML.sub("\ufffd", lines)
