"""One look at the whole database of the machine."""

from __future__ import annotations

import functools
from collections import Counter, defaultdict

import attrs
import sqlalchemy as sa

from mpm_host.agents.agent_reversals import as_of_now
from mpm_host.agents.agent_store import list_agents
from mpm_host.database import tables as t
from mpm_host.verification.verification import CHECKS, verify

__all__ = ["Seen"]


@attrs.frozen(kw_only=True)
class Seen:
    """One look at the whole database.

    Attributes:
        found: in the words of `Oracle.expected`.
        replayed: what the journal alone makes of credit and debts (I12).
        differences: what `mpm verify` would print.
        ids: of payments, by reference, or by id where nobody gave one.
        orders: the rows of each payment's orders, the oldest first.
        agents: their ids.
        codes: of tokens, by order.
    """

    found: dict
    replayed: dict
    differences: list
    ids: dict
    orders: dict
    agents: list
    codes: dict

    @classmethod
    def read(cls, connection, company, open_codes):
        """Look."""
        agents = _agents(connection, company)
        p, o, d = t.payments.c, t.orders.c, t.devices.c
        payments = connection.execute(
            sa.select(p.id, p.reference, p.status, p.amount, p.customer_id)
        ).all()
        names = {row.id: row.reference or row.id for row in payments}
        orders = defaultdict(list)
        query = sa.select(o.id, o.payment_id, o.status, o.kind, o.due_at, d.serial)
        for row in connection.execute(query.join(t.devices, d.id == o.device_id).order_by(o.id)):
            orders[names[row.payment_id]].append(row)
        k = t.tokens.c
        tokens = connection.execute(sa.select(k.payment_id, k.order_id, k.codes)).all()
        access = _access(connection)
        lines, sources = _entries(connection, names, access)
        c, r = t.customers.c, t.plan_rows.c
        found = {
            "payments": {names[row.id]: (row.status, row.amount, row.customer_id)
                         for row in payments},
            "lines": lines,
            "orders": {name: [(row.serial, row.kind, row.status) for row in rows]
                       for name, rows in orders.items()},
            "tokens": dict(Counter(names[row.payment_id] for row in tokens)),
            "credit": dict(map(tuple, connection.execute(sa.select(c.id, c.credit)))),
            # one that costs nothing was taken out of its plan; what is left of it must be nothing
            "rows": dict(map(tuple, connection.execute(
                sa.select(r.id, r.remaining).where(sa.or_(r.cost > 0, r.remaining != 0))))),
            "access": dict(access.values()),
            "sources": sources,
            "bikes": _bikes(connection),
            "agents": [(one.balance, one.commission) for one in agents.values()],
        }  # fmt: skip
        return cls(
            found=found,
            replayed=_replayed(connection, access),
            differences=_differences(connection),
            ids={name: payment_id for payment_id, name in names.items()},
            orders=dict(orders),
            agents=list(agents),
            codes={row.order_id: open_codes(row.codes) for row in tokens},
        )


def _bikes(connection):
    s, d = t.switches.c, t.devices.c
    query = sa.select(d.serial, s.paid_until, s.unlocked).join(t.devices, d.id == s.device_id)
    return {row.serial: (row.paid_until, row.unlocked)
            for row in connection.execute(query.where(s.paid_until.is_not(None)))}  # fmt: skip


def _agents(connection, company):
    """Return the agents as they are shown: with what reversals took, booked or not."""
    found = list_agents(connection, company, limit=10, after=None)
    return {one.id: one.account for one in as_of_now(connection, found)}


def _differences(connection):
    """Return what `mpm verify` would print; what its questions find is first asked all at once."""
    found = connection.exec_driver_sql(_any_found(connection.dialect)).first() or any(
        check.is_wrong(row) for check in _JUDGED for row in connection.execute(check.query)
    )
    return [str(difference) for difference in verify(connection)] if found else []


_JUDGED = tuple(check for check in CHECKS if check.is_wrong is not None)


@functools.cache
def _any_found(dialect):
    """Write one statement that finds a row if one of the checks that need no judge does."""
    asked = [
        sa.select(sa.literal(1)).where(sa.exists(check.query))
        for check in CHECKS
        if check.is_wrong is None
    ]
    return str(
        sa.union_all(*asked).compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    )


def _access(connection):
    a, d = t.access_debts.c, t.devices.c
    query = sa.select(a.id, a.due_on, a.remaining, d.serial)
    rows = connection.execute(query.join(t.devices, d.id == a.device_id))
    return {row.id: (f"{row.serial}/{row.due_on}", row.remaining) for row in rows}


def _entries(connection, names, access):
    e, total = t.entries.c, sa.func.sum(t.entries.c.amount).label("total")
    lines, sources = defaultdict(dict), Counter()
    for row in connection.execute(
        sa.select(e.payment_id, e.account, e.refers_to, total)
        .group_by(e.payment_id, e.account, e.refers_to)
        .having(total != 0)
    ):
        if row.account in {"clearing", "cash"}:
            sources[row.account] -= int(row.total)
            continue
        refers_to = access[row.refers_to][0] if row.refers_to in access else row.refers_to
        lines[names[row.payment_id]][row.account, refers_to] = int(row.total)
    return dict(lines), dict(sources)


def _replayed(connection, access):
    """Play every entry again, from accounts at zero and debts nobody has paid."""
    e, c, r, a = t.entries.c, t.customers.c, t.plan_rows.c, t.access_debts.c
    credit = dict.fromkeys(connection.scalars(sa.select(c.id)), 0)
    costs = dict(map(tuple, connection.execute(sa.select(r.id, r.cost))))
    rows = dict(costs)
    owed = dict(map(tuple, connection.execute(sa.select(a.id, a.amount))))
    for row in connection.execute(sa.select(e.account, e.amount, e.refers_to, e.customer_id)):
        match row.account:
            case "credit":
                credit[row.customer_id] += row.amount
            case "instalment" | "down_payment":
                rows[row.refers_to] -= row.amount
            case "access_rate":
                owed[row.refers_to] -= row.amount
    debts = {access[debt_id][0]: left for debt_id, left in owed.items()}
    left = {row_id: left for row_id, left in rows.items() if costs[row_id] or left}
    return {"credit": credit, "rows": left, "access": debts}
