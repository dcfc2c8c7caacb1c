"""What one caller alone pays for a desk that many share: latency at low load.

Against it stands what nobody can do without: the statements of the same payment, said by hand in
one plain transaction. They are taken from real payments, so they never fall behind the code.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import sqlalchemy as sa

from tests.benchmarks.figures import Figure
from tests.benchmarks.settling import settle
from tests.benchmarks.stage import Stage, both_databases, stage

__all__ = ["single_caller_figures"]

Said = tuple[str, Any]  # a statement and what it was given
_TARGET = 2.0
_ROUNDS = 5
_PAYMENTS = 300
_IDENTIFIER = re.compile(r"[0-9a-f]{32}")
_HEARD = "HEARD"  # of the payment that is listened to: what its reference begins with
_FIRST_NUMBER = 100_000_000  # far above those the desk hands out meanwhile


def single_caller_figures() -> Iterator[Figure]:
    """Compare seconds for a payment through the desk with seconds by hand, on each database."""
    with both_databases() as urls:
        for database, url in urls.items():
            with stage(url) as made:
                yield _figure(database, made)


def _figure(database: str, made: Stage) -> Figure:
    made.accept("WARM", _PAYMENTS, callers=1, customers=1)
    by_hand = _ByHand.learned(made)
    by_hand.book(_PAYMENTS)
    pairs = []
    for number in range(_ROUNDS):
        settle(made.desk.host.engines.write)
        rate = made.accept(f"ALONE{number}X", _PAYMENTS, callers=1, customers=1)
        settle(made.desk.host.engines.write)
        pairs.append((1 / rate, by_hand.book(_PAYMENTS)))
    ratios = sorted(desk / hand for desk, hand in pairs)
    desk, hand = (min(pair[side] for pair in pairs) * 1000 for side in (0, 1))
    return Figure(
        name=f"seconds of one caller alone against the same statements by hand, {database}",
        value=ratios[len(ratios) // 2],
        target=_TARGET,
        at_most=True,
        note=(
            f"best {desk:.2f} ms against {hand:.2f} ms; ratios of {_ROUNDS} rounds "
            f"{', '.join(f'{ratio:.2f}' for ratio in ratios)}"
        ),
        command="python -m tests.benchmarks --only alone",
    )


@attrs.define(kw_only=True)
class _ByHand:
    """Says a payment's statements again and again, each time about a new payment.

    Attributes:
        texts: ids and references that belong to the payment that was listened to.
        number: its running number.
        booked: how many were booked by hand.
    """

    engine: sa.Engine
    statements: Sequence[Said]
    texts: frozenset[str]
    number: int
    booked: int = 0

    @classmethod
    def learned(cls, made: Stage) -> _ByHand:
        """Listen to two payments of one customer: where they differ is what is new each time.

        Also what the first left to the second (credit) differs; only the number is one more.
        """
        engine = made.desk.host.engines.write
        one, other = (_listened(engine, made, prefix) for prefix in (_HEARD, "OTHER"))
        pairs = list(_leaves(one, other))
        texts = {each for pair in pairs for each in _own_identifiers(*pair)} | {f"{_HEARD}0"}
        [number] = {mine for mine, theirs in pairs if isinstance(mine, int) and theirs == mine + 1}
        return cls(engine=engine, statements=one, texts=frozenset(texts), number=number)

    def book(self, count: int) -> float:
        """Book payments, each in one transaction; return the seconds one took."""
        ready = [[(said, self._renewed(given, names)) for said, given in self.statements]
                 for names in (self._new_names() for _ in range(count))]  # fmt: skip
        began = time.perf_counter()
        for statements in ready:
            with self.engine.begin() as connection:
                for said, given in statements:
                    answer = connection.exec_driver_sql(said, given)
                    if answer.returns_rows:
                        answer.all()
        return (time.perf_counter() - began) / count

    def _new_names(self) -> Mapping[object, object]:
        self.booked += 1
        names: dict[object, object] = {text: uuid.uuid4().hex for text in self.texts}
        return {**names, self.number: _FIRST_NUMBER + self.booked}

    def _renewed(self, value: Any, names: Mapping[object, object]) -> Any:
        match value:
            case bool() | None:
                return value
            case int():
                return names.get(value, value)
            case str():
                pattern = "|".join(map(re.escape, self.texts))
                return re.sub(pattern, lambda found: str(names[found[0]]), value)
            case dict():
                return {key: self._renewed(each, names) for key, each in value.items()}
            case list() | tuple():
                return type(value)(self._renewed(each, names) for each in value)
            case _:
                return value


def _listened(engine: sa.Engine, made: Stage, prefix: str) -> list[Said]:
    """Have one payment booked and return what was said to the database."""
    said: list[Said] = []

    def note(_c: object, _cursor: object, statement: str, given: Any, *_rest: object) -> None:
        if not statement.startswith("BEGIN"):  # said by every transaction of the engine
            said.append((statement, given))

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        made.accept(prefix, 1, callers=1, customers=1)
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    return said


def _leaves(one: Any, other: Any) -> Iterator[tuple[Any, Any]]:
    """Walk through two things of one shape together."""
    if isinstance(one, dict):
        one, other = list(one.values()), list(other.values())
    if not isinstance(one, list | tuple):
        yield one, other
        return
    for mine, theirs in zip(one, other, strict=True):
        yield from _leaves(mine, theirs)


def _own_identifiers(mine: object, theirs: object) -> set[str]:
    """Return the ids in a text that the other text does not have."""
    if not isinstance(mine, str):
        return set()
    return set(_IDENTIFIER.findall(mine)) - set(_IDENTIFIER.findall(str(theirs)))
