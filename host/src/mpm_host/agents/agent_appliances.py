"""What agents may sell, each at their own price."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import Money
from mpm_host.agents.agent_store import lock_agent
from mpm_host.companies.audit_trail import Actor, write_audit
from mpm_host.database import tables as t
from mpm_host.database.agent_tables import agent_appliances
from mpm_host.directory import CompanyRecord
from mpm_host.identifiers import new_identifier
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.appliances import find_appliances
from mpm_host.registration.inputs import check_amount_given

__all__ = [
    "AssignedAppliance",
    "assign_appliance",
    "find_price",
    "list_assigned",
    "take_appliance_back",
]

_A = agent_appliances.c


@attrs.frozen(kw_only=True)
class AssignedAppliance:
    """An appliance that an agent may sell, at a price in minor units."""

    id: str
    appliance_id: str
    name: str
    price: int
    created_at: datetime


def assign_appliance(  # noqa: PLR0913, PLR0917 - who may sell what at which price, by whom
    connection: Connection,
    company: CompanyRecord,
    agent_id: str,
    appliance_id: str,
    price: Money,
    actor: Actor,
) -> AssignedAppliance:
    """Let an agent sell an appliance, or give it another price; the same again changes nothing.

    Raises:
        ServiceRefused: `unknown_agent`, `unknown_appliance`, `amount_invalid`.
    """
    agent = lock_agent(connection, company, agent_id)
    if appliance_id not in find_appliances(connection, company, ids=[appliance_id]):
        raise _unknown_appliance(appliance_id)
    minor = _read_price(price, company)
    before = find_price(connection, company.id, agent.id, appliance_id)
    if before != minor:
        _write(connection, company, agent.id, appliance_id, minor, actor, is_new=before is None)
        write_audit(
            connection,
            actor,
            company_id=company.id,
            action="agent.appliance_assigned",
            subject=agent.id,
            before={} if before is None else {"price": str(Money(before, price.currency))},
            after={"appliance_id": appliance_id, "price": str(price)},
        )
    query = _select(company.id, agent.id).where(_A.appliance_id == appliance_id)
    return AssignedAppliance(**connection.execute(query).mappings().one())


def take_appliance_back(
    connection: Connection,
    company: CompanyRecord,
    agent_id: str,
    appliance_id: str,
    actor: Actor,
) -> bool:
    """Let an agent sell an appliance no more; what they have sold stays sold. Audited.

    Returns:
        Whether they had it; doing it again changes nothing.

    Raises:
        ServiceRefused: `unknown_agent`, `unknown_appliance`.
    """
    agent = lock_agent(connection, company, agent_id)
    if appliance_id not in find_appliances(connection, company, ids=[appliance_id]):
        raise _unknown_appliance(appliance_id)
    before = find_price(connection, company.id, agent.id, appliance_id)
    if before is None:
        return False
    connection.execute(sa.delete(agent_appliances).where(*_is(company, agent.id, appliance_id)))
    write_audit(
        connection,
        actor,
        company_id=company.id,
        action="agent.appliance_taken_back",
        subject=agent.id,
        before={
            "appliance_id": appliance_id,
            "price": str(Money(before, agent.account.currency)),
        },
        after={},
    )
    return True


def _unknown_appliance(appliance_id: str) -> ServiceRefused:
    return ServiceRefused(
        RefusalCode.UNKNOWN_APPLIANCE,
        f"The company has no appliance with id {appliance_id[:64]!r}.",
    )


def _is(
    company: CompanyRecord, agent_id: str, appliance_id: str
) -> tuple[sa.ColumnElement[bool], ...]:
    return (_A.company_id == company.id, _A.agent_id == agent_id, _A.appliance_id == appliance_id)


def find_price(
    connection: Connection, company_id: str, agent_id: str, appliance_id: str
) -> int | None:
    """Return at what price an agent sells an appliance; `None` if they may not sell it."""
    query = sa.select(_A.price).where(
        _A.company_id == company_id, _A.agent_id == agent_id, _A.appliance_id == appliance_id
    )
    price: int | None = connection.execute(query).scalar_one_or_none()
    return price


def list_assigned(
    connection: Connection, company_id: str, agent_id: str, *, limit: int, after: str | None
) -> Sequence[AssignedAppliance]:
    """Return what an agent may sell, newest first, those before `after`."""
    query = _select(company_id, agent_id).order_by(_A.id.desc()).limit(limit)
    if after is not None:
        query = query.where(_A.id < after)
    return [AssignedAppliance(**row) for row in connection.execute(query).mappings()]


def _select(company_id: str, agent_id: str) -> sa.Select[str, str, str, int, datetime]:
    return (
        sa.select(_A.id, _A.appliance_id, t.appliances.c.name, _A.price, _A.created_at)
        .join(t.appliances, t.appliances.c.id == _A.appliance_id)
        .where(_A.company_id == company_id, _A.agent_id == agent_id)
    )


def _read_price(price: Money, company: CompanyRecord) -> int:
    minor = check_amount_given(price, company.company.currency, "price")
    if not minor:
        raise ServiceRefused(RefusalCode.AMOUNT_INVALID, "The price is 0; it must be more.")
    return minor


def _write(  # noqa: PLR0913, PLR0917 - one column each
    connection: Connection,
    company: CompanyRecord,
    agent_id: str,
    appliance_id: str,
    price: int,
    actor: Actor,
    *,
    is_new: bool,
) -> None:
    """Write the price; the agent is locked, so nobody else does meanwhile."""
    if not is_new:
        connection.execute(
            sa.update(agent_appliances)
            .where(*_is(company, agent_id, appliance_id))
            .values(price=price)
        )
        return
    connection.execute(
        sa.insert(agent_appliances).values(
            id=new_identifier(),
            company_id=company.id,
            agent_id=agent_id,
            appliance_id=appliance_id,
            price=price,
            created_at=actor.at,
        )
    )
