"""The guards that keep the promises, and how each is taken away to see which tests notice."""

from __future__ import annotations

import attrs

__all__ = ["GUARDS", "Guard"]

_HOST = "host/src/mpm_host"


@attrs.frozen(kw_only=True)
class Guard:
    """One guard.

    Attributes:
        name: what it is.
        path: of the file it stands in.
        text: the code that is it; stands in the file exactly once.
        instead: what is left without it.
        tests: what must turn red, as pytest is told.
    """

    name: str
    path: str
    text: str
    instead: str
    tests: tuple[str, ...]


_WORKER = "host/tests/test_order_worker.py"
_WALK = (
    "tests/faults/test_crash_walk.py::"
    "test_dying_at_any_crash_point_loses_nothing_and_doubles_nothing[sqlite]"
)
_CALLERS = "tests/concurrency/test_many_callers.py"

GUARDS = (
    Guard(
        name="the attempt is committed before the manufacturer is asked",
        path=f"{_HOST}/orders/order_store.py",
        text=".values(\n            status=OrderStatus.SENT,\n            fence=o.fence + 1,",
        instead=".values(\n            status=OrderStatus.QUEUED,\n            fence=o.fence + 1,",
        tests=(_WORKER,),
    ),
    Guard(
        name="an order begins by compare-and-set on its fence and status",
        path=f"{_HOST}/orders/order_store.py",
        text=".where(o.id == order.id, o.fence == order.fence, o.status == OrderStatus.QUEUED)",
        instead=".where(o.id == order.id)",
        tests=(_WORKER,),
    ),
    Guard(
        name="a step is written by compare-and-set on the fence",
        path=f"{_HOST}/orders/order_steps.py",
        text=(
            ".where(o.id == self.order.id, o.fence == self.order.fence, o.finished_at.is_(None))"
        ),
        instead=".where(o.id == self.order.id, o.finished_at.is_(None))",
        tests=(_WORKER,),
    ),
    Guard(
        name="one order of a device at a time",
        path=f"{_HOST}/orders/order_store.py",
        text="before = [o.status == OrderStatus.SENT, earlier & (o.status == OrderStatus.QUEUED)]",
        instead="before = [sa.false()]",
        tests=(_WORKER,),
    ),
    Guard(
        name="nothing is repeated while nobody can be asked",
        path=f"{_HOST}/orders/order_rules.py",
        text="if operation is None or operation.recovery is Recovery.NONE:",
        instead="if operation is not None and operation.recovery is Recovery.NONE:\n"
        "        return Step(status=OrderStatus.QUEUED, facts=facts, next_in=timedelta(0))\n"
        "    if operation is None:",
        tests=(_WORKER,),
    ),
    Guard(
        name="an attempt nobody finished is in doubt, not new",
        path=f"{_HOST}/orders/order_worker.py",
        text="self._answers.write(order, after_attempt(lost_attempt(), order.facts))",
        instead="self._answers.write(order, after_attempt(NotSent('gone'), order.facts))",
        tests=(_WORKER,),
    ),
    Guard(
        name="a reference is known again",
        path=f"{_HOST}/payments/booking.py",
        text="        if record.reply is not None:\n            return _accepted(record)\n",
        instead="",
        tests=(_CALLERS,),
    ),
    Guard(
        name="a payment with other content is a conflict",
        path=f"{_HOST}/payments/booking.py",
        text="if difference := _difference(record, command.request):",
        instead='if difference := "":',
        tests=(_CALLERS,),
    ),
    Guard(
        name="the reply is stored with the payment",
        path=f"{_HOST}/payments/booking.py",
        text="        record.keep_reply(command.reply)\n",
        instead="",
        tests=(_CALLERS,),
    ),
    Guard(
        name="customers are locked while their debts are paid",
        path=f"{_HOST}/payments/booking.py",
        text="directory, self._addressed(commands), self._now, lock=True",
        instead="directory, self._addressed(commands), self._now, lock=False",
        tests=("host/tests/test_customer_lock.py",),
    ),
    Guard(
        name="SQLite's writers begin with the write lock",
        path=f"{_HOST}/database/engines.py",
        text='begin="BEGIN IMMEDIATE"',
        instead='begin="BEGIN"',
        tests=("tests/mutations/test_foundations.py", _CALLERS),
    ),
    Guard(
        name="SQLite waits until a commit is on the disk",
        path=f"{_HOST}/database/engines.py",
        text='"synchronous=FULL",',
        instead='"synchronous=OFF",',
        tests=("tests/mutations/test_foundations.py",),
    ),
    Guard(
        name="nobody is answered before the commit",
        path=f"{_HOST}/database/group_commit.py",
        text="            results = self._attempt_again_if_lost([item for item, _ in batch])",
        instead="            with self._engine.connect() as connection:\n"
        "                results = self._work(connection, [item for item, _ in batch])",
        tests=("host/tests/test_group_commit.py",),
    ),
    Guard(
        name="a lost COMMIT is looked after, not taken for a failure",
        path=f"{_HOST}/database/group_commit.py",
        text="            return self._attempt(items)\n        except sa.exc.DBAPIError as error:\n"
        "            if not is_unreachable(error):\n                raise\n"
        "            return self._attempt(items)",
        instead="            return self._attempt(items)\n        except sa.exc.DBAPIError:\n"
        "            raise",
        tests=("host/tests/test_group_commit.py",),
    ),
    Guard(
        name="a token that was given before is no token",
        path=f"{_HOST}/orders/order_steps.py",
        text="if step.grant is not None and knows_codes(connection, self.vault, order, "
        "step.grant.codes):",
        instead="if False:",
        tests=(_WORKER,),
    ),
    Guard(
        name="a message leaves the queue once it was sent",
        path=f"{_HOST}/messages/message_sender.py",
        text="            status=receipt.status.value,\n",
        instead='            status="queued",\n',
        tests=("host/tests/test_message_delivery.py",),
    ),
    Guard(
        name="marked work that was lost is found again",
        path=f"{_HOST}/work.py",
        text="next_at=now + self._limits.patience",
        instead="next_at=None",
        tests=(_WALK,),
    ),
)
