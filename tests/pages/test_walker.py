"""A page that shows something else than what happens is told, with its place."""

from __future__ import annotations

import contextlib
import re

import httpx
import pytest

from tests.pages.walker import Block, Walker

ANSWER = {"id": "7", "name": "Kagera", "rows": [{"cost": "5"}, {"cost": "6"}], "next": None}


@pytest.fixture
def walker(tmp_path):
    """A walker before a host that answers everything alike."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=ANSWER))
    with contextlib.ExitStack() as stack, httpx.Client(transport=transport) as client:
        yield Walker(
            folder=tmp_path,
            database_url="sqlite:///mpm.db",
            addresses={"127.0.0.1:8000": "127.0.0.1:1", "127.0.0.1:9000": "127.0.0.1:2"},
            http=client,
            stack=stack,
        )


def asks(answer, status=200):
    return Block("http", "", f"POST /clusters\n\n{status}\n{answer}\n", "page.md:1")


@pytest.mark.parametrize(
    "answer",
    [
        '{"id": "<cluster>", …}',
        '{"id": "…", "name": "Ka…a", "rows": […], "next": null}',
        '{"rows": [{"cost": "5"}, …], …}',
        '{"rows": [{…}, {"cost": "6"}], …}',
        "Kagera",
    ],
)
def test_an_answer_may_leave_out_what_it_says_it_leaves_out(walker, answer):
    walker.follow(asks(answer))


def test_a_named_value_is_used_by_later_requests(walker):
    walker.follow(asks('{"id": "<cluster>", …}'))

    assert walker.kept == {"cluster": "7"}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ('{"id": "8", …}', "answer.id is '7', not '8'"),
        ('{"id": 7, …}', "answer.id is '7', not 7"),
        ('{"id": "7"}', "answer has the members ['id', 'name', 'next', 'rows'], not ['id']"),
        ('{"surname": "…", …}', "answer has no surname"),
        ('{"rows": [{"cost": "5"}], …}', "answer.rows has 2 items, not 1"),
        ('{"rows": [{"cost": "5"}, {"cost": "7"}], …}', "answer.rows[1].cost is '6', not '7'"),
        ("Bukoba", "in other words"),
    ],
)
def test_another_answer_than_the_page_shows_is_told(walker, answer, told):
    with pytest.raises(AssertionError, match=re.escape(told)) as failed:
        walker.follow(asks(answer))
    assert str(failed.value).startswith("page.md:1: POST ")


def test_another_status_than_the_page_shows_is_told(walker):
    with pytest.raises(AssertionError, match="was answered 200, not 201"):
        walker.follow(asks("", 201))


def test_another_output_than_the_page_shows_is_told(walker):
    with pytest.raises(AssertionError, match=r"page.md:9: \$ echo yes\sprinted otherwise:\syes"):
        walker.follow(Block("console", "", "$ echo yes\nno\n", "page.md:9"))


def test_a_command_that_fails_is_told(walker):
    with pytest.raises(AssertionError, match=r"\$ false\nended with 1"):
        walker.follow(Block("console", "", "$ false\n", "page.md:9"))


def test_a_named_file_is_written_with_the_addresses_of_the_walk(walker, tmp_path):
    text = 'database = "sqlite:///other.db"\npublic_url = "http://127.0.0.1:8000"\n'
    walker.follow(Block("toml", "mpm.toml", text, "page.md:9"))

    assert (tmp_path / "mpm.toml").read_text() == (
        'database = "sqlite:///mpm.db"\npublic_url = "http://127.0.0.1:1"\n'
    )
