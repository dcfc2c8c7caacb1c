"""What is asked of PostgreSQL is read rightly, in whatever pieces its bytes come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.postgres_questions import Questions


def message(kind, body):
    """Write one message; the first of a connection has no kind."""
    return kind + (len(body) + 4).to_bytes(4) + body


CONVERSATION = b"".join(
    (
        message(b"", b"\0\3\0\0user\0postgres\0\0"),
        message(b"Q", b"BEGIN\0"),
        message(b"P", b"s1\0INSERT INTO mpm_entry (id) VALUES ($1)\0\0\0"),  # prepared only
        message(b"B", b"\0s1\0\0\0\0\1\0\0\0\6COMMIT\0\0"),  # the word is a value here
        message(b"E", b"\0\0\0\0\0"),
        message(b"B", b"\0s1\0\0\0\0\0"),  # the same again, by its name
        message(b"P", b"\0UPDATE mpm_payment SET number = 1\0\0\0"),
        message(b"B", b"\0\0\0\0\0\0"),
        message(b"d", b"COMMIT\0"),  # a row of a COPY
        message(b"Q", b"COMMIT\0"),
    )
)
CARRIED_OUT = [
    "BEGIN",
    "INSERT INTO mpm_entry (id) VALUES ($1)",
    "INSERT INTO mpm_entry (id) VALUES ($1)",
    "UPDATE mpm_payment SET number = 1",
    "COMMIT",
]


@given(cuts=st.sets(st.integers(min_value=0, max_value=len(CONVERSATION))))
def test_statements_are_read_however_the_bytes_are_cut(cuts):
    questions = Questions()
    ends = [*sorted(cuts), len(CONVERSATION)]
    pieces = [CONVERSATION[begin:end] for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
    assert [asked for piece in pieces for asked in questions.read(piece)] == CARRIED_OUT
