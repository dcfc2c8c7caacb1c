"""Somebody at the API who asks until there is an answer: takes payments back, pushes others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import attrs
import httpx
import sqlalchemy as sa

from mpm_host.access.key_store import create_key
from mpm_host.access.roles import Role
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from tests.faults.scene import ATTENTIVE, Scene

__all__ = ["InsistentPerson"]

_PAUSE_SECONDS = 0.02
_PAYER = "0781234567"


@attrs.define(kw_only=True)
class InsistentPerson:
    """Makes every request twice, with an Idempotency-Key of its own.

    Attributes:
        done: ids of the payments whose reversal was answered with success.
        pushed: references of the pushes that were answered with success.
        differing: requests that got another answer when they were repeated.
        refused: answers that were neither success nor *ask again*.
    """

    scene: Scene
    bearer: str
    done: list[str] = attrs.field(factory=list)
    pushed: list[str] = attrs.field(factory=list)
    differing: list[str] = attrs.field(factory=list)
    refused: list[str] = attrs.field(factory=list)
    _begun: set[str] = attrs.field(factory=set)
    _threads: list[threading.Thread] = attrs.field(factory=list)
    _stopping: threading.Event = attrs.field(factory=threading.Event)

    @classmethod
    def with_new_key(cls, scene: Scene) -> InsistentPerson:
        """Give them an API key."""
        opened = scene.opened
        company_id = opened.house.directory.by_slug["demo"].id
        actor = Actor(name="test", at=scene.clock())
        with opened.engines.write.begin() as connection:
            key = create_key(connection, company_id, "walk", Role.OWNER, actor, own=Role.OWNER)
        return cls(scene=scene, bearer=key.bearer.reveal())

    def begin(self, count: int) -> int:
        """Begin to take back some settled payments; return how many there were."""
        p = t.payments.c
        query = (
            sa.select(p.id)
            .where(p.status == "settled", p.reversing_at.is_(None), p.id.not_in(self._begun))
            .order_by(p.id)
            .limit(count)
        )
        with self.scene.opened.engines.read.connect() as connection:
            found = connection.execute(query).scalars().all()
        for payment_id in found:
            self._begun.add(payment_id)
            self._run(self._reverse, payment_id)
        return len(found)

    def push(self, serial: str, amount: str) -> None:
        """Begin to have a payer's phone prompted."""
        self._run(self._push, serial, amount)

    @property
    def is_idle(self) -> bool:
        """Tell whether everything was answered."""
        return not any(thread.is_alive() for thread in self._threads)

    def wait_until_all_are_answered(self, seconds: float) -> None:
        """Wait for every answer.

        Raises:
            TimeoutError: some are not there.
        """
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                raise TimeoutError("A person's request was never answered.")
        self._threads.clear()

    def close(self) -> None:
        """Ask no more."""
        self._stopping.set()

    def _run(self, ask: Callable[..., None], *arguments: str) -> None:
        thread = threading.Thread(target=ask, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _reverse(self, payment_id: str) -> None:
        body = {"reason": "Paid by mistake."}
        if self._ask_twice(f"/payments/{payment_id}/reverse", body, payment_id) is not None:
            self.done.append(payment_id)

    def _push(self, serial: str, amount: str) -> None:
        body = {"instance": ATTENTIVE, "serial": serial, "amount": amount, "msisdn": _PAYER}
        answer = self._ask_twice("/pushes", body, f"push-{serial}")
        if answer is not None:
            self.pushed.append(answer.json()["reference"])

    def _ask_twice(self, path: str, body: Mapping[str, str], key: str) -> httpx.Response | None:
        """Make one request twice; return its answer if it was a success both times, and equal."""
        with httpx.Client(timeout=20, trust_env=False) as http:
            first, again = (self._insist(http, path, body, key) for _ in range(2))
        if first is None or again is None:
            return None
        if not first.is_success:
            self.refused.append(f"{key}: {first.status_code} {first.text}")
        elif first.content != again.content:
            self.differing.append(key)
        else:
            return first
        return None

    def _insist(
        self, http: httpx.Client, path: str, body: Mapping[str, str], key: str
    ) -> httpx.Response | None:
        url = f"{self.scene.host.url}/api/v1{path}"
        headers = {"Authorization": f"Bearer {self.bearer}", "Idempotency-Key": key}
        while not self._stopping.is_set():
            try:
                answer = http.post(url, json=body, headers=headers)
            except httpx.TransportError:
                time.sleep(_PAUSE_SECONDS)
                continue
            if not answer.is_server_error:
                return answer
            time.sleep(_PAUSE_SECONDS)
        return None
