"""Manufacturers that recover by our key: one that sells once for it, one that is asked about it.

No shipped plugin recovers so. They live in the test's process and survive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import attrs

from mpm_core import SimulatedReply
from tests.kit.acme_meters import AcmeSimulator

__all__ = ["KEYED_MAKER", "LOOKUP_MAKER", "KeyedSimulator", "LookupSimulator", "Sale"]

KEYED_MAKER = "acme-keyed"
LOOKUP_MAKER = "acme-lookup"


@attrs.frozen(kw_only=True)
class Sale:
    """One sale a manufacturer made.

    Attributes:
        key: it was asked for under.
    """

    key: str
    serial: str
    code: str


class KeyedSimulator(AcmeSimulator):
    """Sells once for a key, and remembers what it sold.

    Attributes:
        sales: all there were, in order.
        asked: how often it was asked to sell, by key.
        finds: how often it was asked what became of a sale.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sales: list[Sale] = []
        self.asked: Counter[str] = Counter()
        self.finds = 0

    def _change(self, path: str, asked: Mapping[str, Any]) -> SimulatedReply:
        self.asked[asked["key"]] += 1
        return super()._change(path, asked)

    def _find(self, key: str) -> SimulatedReply:
        self.finds += 1
        return super()._find(key)

    def _mint(self, asked: Mapping[str, Any]) -> dict[str, object]:
        sold = super()._mint(asked)
        sale = Sale(key=asked["key"], serial=asked["meter"], code=str(sold["token"]))
        self.sales.append(sale)
        return sold


class LookupSimulator(KeyedSimulator):
    """Sells again whenever it is asked, and enters each sale in its books late.

    Who asks for the first time does not find it: to believe that once is to sell twice.
    """

    def __init__(self) -> None:
        super().__init__()
        self._late: set[str] = set()

    def _find(self, key: str) -> SimulatedReply:
        if key not in self._late:
            return super()._find(key)
        self._late.remove(key)
        return super()._find(f"{key}, not entered yet")

    def _mint(self, asked: Mapping[str, Any]) -> dict[str, object]:
        self._late.add(asked["key"])
        return super()._mint(asked)
