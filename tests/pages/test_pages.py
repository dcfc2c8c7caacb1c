"""The pages for integrators and companies are followed, step by step, on both databases."""

from __future__ import annotations

import pytest

from tests.pages.walker import blocks_of, walking

WAYS = {
    "api": ("integrators/api.md",),
    "command-line": ("integrators/index.md", "companies/index.md", "integrators/operations.md"),
}


@pytest.mark.parametrize("pages", WAYS.values(), ids=WAYS)
def test_who_follows_the_pages_gets_what_they_show(pages, empty_database_url, tmp_path):
    with walking(tmp_path, empty_database_url) as walker:
        for page in pages:
            for block in blocks_of(page):
                walker.follow(block)
