"""SQL that is compiled once per test run, not once per test.

SQLAlchemy remembers what it compiled for as long as an engine lives. A test opens engines of its
own, runs each statement once or twice and throws them away: compiling took a quarter of its time.
All engines of one kind in one process speak the same SQL, so that they may share.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache

__all__ = ["shared_statements"]

_MOST = 2000  # statements kept per kind of database


@pytest.fixture(scope="session", autouse=True)
def shared_statements() -> Iterator[None]:
    """Let engines whose dialects are of one class find each other's statements."""
    kept: dict[type, LRUCache[Any, Any]] = defaultdict(lambda: LRUCache(_MOST))
    make = Engine.__init__

    def make_sharing(self: Engine, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        self._compiled_cache = kept[type(self.dialect)]

    with pytest.MonkeyPatch.context() as patch:
        # what was compiled is kept under its dialect, among other things
        patch.setattr(DefaultDialect, "__eq__", lambda self, other: type(self) is type(other))
        patch.setattr(DefaultDialect, "__hash__", lambda self: hash(type(self)))
        patch.setattr(Engine, "__init__", make_sharing)
        yield
