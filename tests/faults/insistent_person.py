"""Somebody who takes payments back through the API, and asks again until there is an answer."""

from __future__ import annotations

import threading
import time

import attrs
import httpx
import sqlalchemy as sa

from mpm_host.access.key_store import create_key
from mpm_host.access.roles import Role
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import tables as t
from tests.faults.scene import Scene

__all__ = ["InsistentPerson"]

_PAUSE_SECONDS = 0.02


@attrs.define(kw_only=True)
class InsistentPerson:
    """Reverses settled payments, each with an Idempotency-Key of its own.

    Attributes:
        done: ids of the payments whose reversal was answered with success.
        differing: those where the same request again got another answer.
        refused: answers that were neither success nor *ask again*.
    """

    scene: Scene
    bearer: str
    done: list[str] = attrs.field(factory=list)
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
            thread = threading.Thread(target=self._reverse, args=(payment_id,), daemon=True)
            thread.start()
            self._threads.append(thread)
        return len(found)

    def wait_until_all_are_answered(self, seconds: float) -> None:
        """Wait for every answer.

        Raises:
            TimeoutError: some are not there.
        """
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                raise TimeoutError("A reversal was never answered.")
        self._threads.clear()

    def stop(self) -> None:
        """Ask no more."""
        self._stopping.set()

    def _reverse(self, payment_id: str) -> None:
        with httpx.Client(timeout=20, trust_env=False) as http:
            first, again = (self._insist(http, payment_id) for _ in range(2))
        if first is None or again is None:
            return
        if not first.is_success:
            self.refused.append(f"{payment_id}: {first.status_code} {first.text}")
        elif first.content != again.content:
            self.differing.append(payment_id)
        else:
            self.done.append(payment_id)

    def _insist(self, http: httpx.Client, payment_id: str) -> httpx.Response | None:
        url = f"{self.scene.host.url}/api/v1/payments/{payment_id}/reverse"
        headers = {
            "Authorization": f"Bearer {self.bearer}",
            "Idempotency-Key": f"take-back-{payment_id}",
        }
        while not self._stopping.is_set():
            try:
                answer = http.post(url, json={"reason": "Paid by mistake."}, headers=headers)
            except httpx.TransportError:
                time.sleep(_PAUSE_SECONDS)
                continue
            if not answer.is_server_error:
                return answer
            time.sleep(_PAUSE_SECONDS)
        return None
