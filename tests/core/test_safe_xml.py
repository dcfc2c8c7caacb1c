from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpm_core import Malformed, read_flat_xml, write_flat_xml
from mpm_core.safe_xml import XmlLimits

PROCESS = (
    b"<COMMAND><TYPE>C2B</TYPE><AMOUNT>5000</AMOUNT><REFERENCE>SHS00001234</REFERENCE></COMMAND>"
)
MANY = 300

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
in_xml = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
texts = st.text(in_xml | st.sampled_from("\t\n<>&\"']"), max_size=200)


def refusal(body: bytes, **options: object) -> tuple[str, tuple[str, ...]]:
    with pytest.raises(Malformed) as caught:
        read_flat_xml(body, **options)  # type: ignore[arg-type]  # options differ per test
    return str(caught.value), caught.value.fields


def test_read_flat_xml_returns_the_root_and_each_childs_text():
    document = read_flat_xml(PROCESS, root="COMMAND")

    assert (document.root, document.namespace) == ("COMMAND", "")
    assert document.fields == {"TYPE": "C2B", "AMOUNT": "5000", "REFERENCE": "SHS00001234"}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        pytest.param(b"\xef\xbb\xbf<a><b>1</b></a>", {"b": "1"}, id="byte order mark"),
        pytest.param(
            b'<?xml version="1.0" encoding="UTF-8"?>\n<a><b>1</b></a>\n', {"b": "1"}, id="declared"
        ),
        pytest.param(
            b"<?xml version='1.0' encoding='us-ascii'?><a><b>1</b></a>", {"b": "1"}, id="ascii"
        ),
        pytest.param(
            b'<n:a xmlns:n="urn:x"><n:b>1</n:b><c>2</c></n:a>', {"b": "1", "c": "2"}, id="prefixes"
        ),
        pytest.param(b"<a>\n  <b> 1 </b>\n</a>", {"b": " 1 "}, id="text kept as sent"),
        pytest.param(b"<a><b/><c></c></a>", {"b": "", "c": ""}, id="empty"),
        pytest.param(b"<a><b>1<!-- no -->2</b></a>", {"b": "12"}, id="comment inside a text"),
        pytest.param(b"<a><b><![CDATA[<&]]></b></a>", {"b": "<&"}, id="CDATA"),
        pytest.param(b"<a><b>&lt;&amp;&#65;</b></a>", {"b": "<&A"}, id="the built-in entities"),
        pytest.param(b"<a><b><c>1</c></b><d>2</d></a>", {"d": "2"}, id="structure is no field"),
        pytest.param(b"<a><b>1</b><?go away?></a>", {"b": "1"}, id="processing instruction"),
        pytest.param(b'<a x="1"><b y="2">1</b></a>', {"b": "1"}, id="attributes are ignored"),
        pytest.param(b"<FailSafe>MPM</FailSafe>", {}, id="root with text only"),
        pytest.param("<a><b>Añ中😀</b></a>".encode(), {"b": "Añ中😀"}, id="UTF-8"),
    ],
)
def test_read_flat_xml_accepts(body, fields):
    assert read_flat_xml(body).fields == fields


def test_read_flat_xml_returns_the_roots_namespace():
    assert read_flat_xml(b'<a xmlns="http://broker.example/"><b/></a>').namespace == (
        "http://broker.example/"
    )


@pytest.mark.parametrize(
    "declaration",
    [
        pytest.param(b'<!DOCTYPE a SYSTEM "http://x.example/a.dtd">', id="DTD elsewhere"),
        pytest.param(b"<!DOCTYPE a>", id="bare DTD"),
        pytest.param(b'<!DOCTYPE a [<!ENTITY x "y">]>', id="entity"),
        pytest.param(
            b'<!DOCTYPE a [<!ENTITY l "lol"><!ENTITY m "&l;&l;&l;&l;&l;&l;&l;&l;&l;&l;">'
            b'<!ENTITY n "&m;&m;&m;&m;&m;&m;&m;&m;&m;&m;"><!ENTITY x "&n;&n;&n;&n;&n;&n;&n;">]>',
            id="billion laughs",
        ),
        pytest.param(
            b'<!DOCTYPE a [<!ENTITY x "' + b"A" * 30_000 + b'">]>', id="quadratic blow-up"
        ),
        pytest.param(
            b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>', id="external entity"
        ),
        pytest.param(
            b'<!DOCTYPE a [<!ENTITY % p SYSTEM "http://x.example/p"> %p;]>', id="parameter entity"
        ),
    ],
)
def test_read_flat_xml_never_reads_declarations(declaration):
    body = declaration + b"<a><b>" + b"&x;" * 200 + b"</b></a>"

    assert refusal(body) == ("The document has a DTD or entities; they are never read.", ())


def test_read_flat_xml_does_not_follow_xinclude():
    body = (
        b'<a xmlns:xi="http://www.w3.org/2001/XInclude">'
        b'<xi:include href="file:///etc/passwd" parse="text"/></a>'
    )

    assert read_flat_xml(body).fields == {"include": ""}


@pytest.mark.parametrize(
    ("body", "message", "fields"),
    [
        pytest.param(b"", "The document is not XML (line 1, column 1).", (), id="nothing"),
        pytest.param(b"<a><b>1</a>", "The document is not XML (line 1, column 10).", (), id="torn"),
        pytest.param(b"<a/>x", "The document is not XML (line 1, column 5).", (), id="more after"),
        pytest.param(
            b"<a><b>&x;</b></a>",
            "The document is not XML (line 1, column 7).",
            (),
            id="undeclared entity",
        ),
        pytest.param(
            b"<a><b>&#xD800;</b></a>",
            "The document is not XML (line 1, column 7).",
            (),
            id="lone surrogate as a reference",
        ),
        pytest.param(
            b"<a><b>\xed\xa0\x80</b></a>",
            "The document is not UTF-8 (byte 6).",
            (),
            id="lone surrogate as bytes",
        ),
        pytest.param(b"<a>\xff</a>", "The document is not UTF-8 (byte 3).", (), id="invalid UTF-8"),
        pytest.param(
            b"<a><b>1\x002</b></a>", "The document holds NUL bytes; send UTF-8.", (), id="NUL"
        ),
        pytest.param(
            "<a><b>1</b></a>".encode("utf-16"),
            "The document holds NUL bytes; send UTF-8.",
            (),
            id="UTF-16",
        ),
        pytest.param(
            "<a><b>1</b></a>".encode("utf-32-be"),
            "The document holds NUL bytes; send UTF-8.",
            (),
            id="UTF-32",
        ),
        pytest.param(
            b'<?xml version="1.0" encoding="UTF-7"?><a>+ADw-b+AD4-</a>',
            "The encoding 'UTF-7' is not read; send UTF-8.",
            (),
            id="UTF-7 declared",
        ),
        pytest.param(
            b"<a><b>1</b><b>2</b></a>", "The element <b> is repeated.", ("b",), id="repeated"
        ),
        pytest.param(
            b'<a xmlns:n="urn:x"><b>1</b><n:b>2</n:b></a>',
            "The element <b> is repeated.",
            ("b",),
            id="repeated in another namespace",
        ),
        pytest.param(
            b"<a><b><c/></b><b>2</b></a>",
            "The element <b> is repeated.",
            ("b",),
            id="repeated with structure",
        ),
        pytest.param(
            b"<a><b>5<c/>0</b></a>",
            "The element <b> mixes text with elements.",
            ("b",),
            id="text around an element",
        ),
        pytest.param(
            b"<a>5<b>1</b></a>",
            "The element <a> mixes text with elements.",
            ("a",),
            id="text beside the fields",
        ),
        pytest.param(
            b"<a>" * 10_000,
            "The element <a> is nested deeper than 8 elements.",
            ("a",),
            id="deep nesting",
        ),
        pytest.param(
            b"<a>" * 8 + b"<z/>" + b"</a>" * 8,
            "The element <z> is nested deeper than 8 elements.",
            ("z",),
            id="one level too deep",
        ),
        pytest.param(
            b"<a>" + b"".join(b"<b%d/>" % n for n in range(MANY)) + b"</a>",
            "The element <b199> comes after 200 elements, the limit.",
            ("b199",),
            id="many elements",
        ),
        pytest.param(
            b"<a><b>" + b"x" * 4097 + b"</b></a>",
            "The element <b> holds more text than the limit.",
            ("b",),
            id="huge text",
        ),
        pytest.param(
            b"<a><b>" + "é".encode() * 2049 + b"</b></a>",
            "The element <b> holds more text than the limit.",
            ("b",),
            id="huge text in bytes, not characters",
        ),
        pytest.param(
            b" " * 65_537,
            "The document has 65537 bytes; at most 65536 are read.",
            (),
            id="huge document",
        ),
    ],
)
def test_read_flat_xml_refuses(body, message, fields):
    assert refusal(body) == (message, fields)


def test_read_flat_xml_names_both_roots_if_another_is_wanted():
    assert refusal(b"<b/>", root="COMMAND") == (
        "The root element is <b>, not <COMMAND>.",
        ("COMMAND",),
    )


def test_read_flat_xml_shortens_a_strangers_element_name():
    message, fields = refusal(b"<a><%s/><%s/></a>" % (b"x" * 500, b"x" * 500))

    assert message == f"The element <{'x' * 40}…> is repeated."
    assert fields == (f"{'x' * 40}…",)


def test_read_flat_xml_takes_what_is_just_within_the_limits():
    limits = XmlLimits(document_bytes=33, depth=3, elements=4, text_bytes=4)

    read = read_flat_xml(b"<a><b>1234</b><c><d/></c></a>    ", limits=limits)

    assert read.fields == {"b": "1234"}


def test_flat_document_returns_required_fields_without_blanks():
    document = read_flat_xml(b"<a><b> 1\n</b><c>2</c></a>")

    assert document.require("c", "b") == ("2", "1")
    assert document.get("nothing") == ""


def test_flat_document_names_every_missing_field():
    document = read_flat_xml(b"<a><b> </b><c>2</c></a>")

    with pytest.raises(Malformed, match=re.escape("Missing or empty: b, d.")) as caught:
        document.require("b", "c", "d")
    assert caught.value.fields == ("b", "d")


def test_flat_document_shows_no_text_in_its_repr():
    document = read_flat_xml(b"<a><PASSWORD>hidden</PASSWORD><MSISDN>255754000001</MSISDN></a>")

    assert repr(document) == "FlatDocument(root='a', namespace='', fields=PASSWORD, MSISDN)"


def test_flat_document_cannot_be_changed():
    with pytest.raises(TypeError):
        read_flat_xml(PROCESS).fields["AMOUNT"] = "1"  # type: ignore[index]  # that is the test


def test_write_flat_xml_writes_exactly_what_the_telecom_expects():
    children = [("STATUS", "200"), ("MESSAGE", "Success")]

    assert write_flat_xml("COMMAND", children) == (
        b"<COMMAND><STATUS>200</STATUS><MESSAGE>Success</MESSAGE></COMMAND>"
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("", b"", id="empty"),
        pytest.param("</M><STATUS>200", b"&lt;/M&gt;&lt;STATUS&gt;200", id="injected element"),
        pytest.param("a & b", b"a &amp; b", id="ampersand"),
        pytest.param("a\x00b\x1b\ud800\uffff", "a\ufffdb" + "\ufffd" * 3, id="not in XML 1.0"),
        pytest.param("a\r\nb\rc\n", b"a\nb\nc\n", id="line ends"),
        pytest.param("Añ中😀", "Añ中😀", id="UTF-8"),
    ],
)
def test_write_flat_xml_escapes(text, written):
    expected = written if isinstance(written, bytes) else written.encode()

    assert write_flat_xml("C", [("M", text)]) == b"<C><M>" + expected + b"</M></C>"


@pytest.mark.parametrize("name", ["", "1a", "a b", "a>", "é", "a:b"])
def test_write_flat_xml_refuses_what_is_no_name(name):
    expected = f"{name!r} is no XML name; use letters, digits, '_', '-' and '.'."

    with pytest.raises(ValueError, match=re.escape(expected)):
        write_flat_xml("a", [(name, "")])


@given(root=names, fields=st.dictionaries(names, texts, max_size=20))
@example(root="a", fields={"b": "]]>"})
def test_what_is_written_reads_back(root, fields):
    document = read_flat_xml(write_flat_xml(root, list(fields.items())), root=root)

    assert document.fields == fields


@given(st.text(max_size=300))
@example("\ud800\udc00")
def test_any_text_can_be_written_and_read(text):
    read = read_flat_xml(write_flat_xml("a", [("b", text)]))

    assert len(read.fields["b"].encode()) <= 3 * len(text.encode("utf-16", "surrogatepass"))


@given(st.binary(max_size=200) | st.binary(max_size=50).map(lambda body: b"<a>" + body + b"</a>"))
def test_read_flat_xml_raises_nothing_but_malformed(body):
    try:
        document = read_flat_xml(body)
    except Malformed:
        return
    assert document.root
