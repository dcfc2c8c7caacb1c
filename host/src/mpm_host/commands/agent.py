"""`mpm agent`: people who sell for a company, and the cash they hold."""

from __future__ import annotations

import click
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mpm_core import Money
from mpm_host.agents.agent_receipts import take_receipt
from mpm_host.agents.agent_reversals import as_of_now
from mpm_host.agents.agent_store import create_agent, find_agent, list_agents
from mpm_host.agents.agent_values import NewAgent, StoredAgent
from mpm_host.commands.agent_appliances import APPLIANCE_COMMANDS
from mpm_host.commands.output import json_option, print_json, print_pairs, print_table
from mpm_host.commands.surroundings import opened_host, person
from mpm_host.database import tables as t
from mpm_host.directory import CompanyRecord
from mpm_host.payments.payment_views import masked
from mpm_host.refusals import RefusalCode, ServiceRefused

__all__ = ["command"]

_MOST = 10_000  # agents of one company


@click.group("agent")
def command() -> None:
    """Let agents sell, and take the cash they hand over."""


@command.command("create")
@click.argument("slug")
@click.option("--name", required=True, help="Their name.")
@click.option("--phone", required=True, help="National, or with the country's code.")
@click.option("--mini-grid", required=True, metavar="NAME|ID", help="Where they sell.")
@click.option("--commission", required=True, help="Part of the cash that they earn, such as 0.10.")
@click.option("--risk-balance", required=True, help="Most company cash they may hold.")
@json_option
def create(  # noqa: PLR0913 - one argument per option
    *,
    slug: str,
    name: str,
    phone: str,
    mini_grid: str,
    commission: str,
    risk_balance: str,
    as_json: bool,
) -> None:
    """Create an agent of company SLUG."""
    with opened_host(reconcile=True) as host:
        company = host.companies.find(slug)
        limit = _money(company, risk_balance, "--risk-balance")
        with host.engines.write.begin() as connection:
            new = NewAgent(
                name=name,
                phone=phone,
                mini_grid_id=_mini_grid(connection, company, mini_grid),
                commission_rate=commission,
                risk_balance=limit,
            )
            agent = create_agent(connection, company, new, person(host))
    if as_json:
        print_json(_shown(agent))
    else:
        click.echo(f"Agent {agent.name!r} created with id {agent.id}.")


@command.command("list")
@click.argument("slug")
@json_option
def list_command(*, slug: str, as_json: bool) -> None:
    """List the agents of company SLUG."""
    with opened_host() as host, host.engines.read.connect() as connection:
        company = host.companies.find(slug)
        agents = as_of_now(connection, list_agents(connection, company, limit=_MOST))
    if as_json:
        print_json([_shown(agent) for agent in agents])
        return
    rows = [tuple(str(_shown(agent)[name]) for name in _COLUMNS) for agent in agents]
    print_table(_COLUMNS, rows, empty=f"Company {slug!r} has no agents.")


@command.command("show")
@click.argument("slug")
@click.argument("agent_id", metavar="ID")
@json_option
def show(*, slug: str, agent_id: str, as_json: bool) -> None:
    """Show agent ID of company SLUG: what they hold, have earned and must hand over."""
    with opened_host() as host, host.engines.read.connect() as connection:
        agent = find_agent(connection, host.companies.find(slug), agent_id)
        [agent] = as_of_now(connection, [agent])
    if as_json:
        print_json(_shown(agent))
    else:
        print_pairs((name, str(value)) for name, value in _shown(agent).items())


@command.command("receipt")
@click.argument("slug")
@click.argument("agent_id", metavar="ID")
@click.option("--amount", required=True, help="Cash that was handed over.")
@json_option
def receipt(*, slug: str, agent_id: str, amount: str, as_json: bool) -> None:
    """Note that agent ID of company SLUG handed cash over; pays their commission, too."""
    with opened_host(reconcile=True) as host:
        company = host.companies.find(slug)
        handed = _money(company, amount, "--amount")
        with host.engines.write.begin() as connection:
            made = take_receipt(connection, company, agent_id, handed, person(host))
    shown = {
        "id": made.id,
        "amount": _written(made.amount, made.currency),
        "commission_paid": _written(made.commission_paid, made.currency),
        "balance_before": _written(made.balance_before, made.currency),
        "balance_after": _written(made.balance_after, made.currency),
        "currency": made.currency,
        "taken_by": made.taken_by,
        "created_at": made.created_at.isoformat(),
    }
    if as_json:
        print_json(shown)
        return
    click.echo(
        f"Taken: {shown['amount']} {made.currency}; the agent kept {shown['commission_paid']} "
        f"{made.currency} commission and holds {shown['balance_after']} {made.currency}."
    )


for _subcommand in APPLIANCE_COMMANDS:
    command.add_command(_subcommand)

_COLUMNS = ("id", "name", "phone", "balance", "commission", "due", "risk_balance", "enabled")


def _mini_grid(connection: Connection, company: CompanyRecord, given: str) -> str:
    """Find a mini-grid by id, or by a name that only one has."""
    g = t.mini_grids.c
    query = (
        sa.select(g.id)
        .where(g.company_id == company.id, sa.or_(g.id == given, g.name == given))
        .limit(2)
    )
    found = list(connection.scalars(query))
    if len(found) == 1:
        return str(found[0])
    problem = "several mini-grids" if found else "no mini-grid"
    raise ServiceRefused(
        RefusalCode.UNKNOWN_MINI_GRID,
        f"Company {company.company.slug!r} has {problem} named {given[:80]!r}; give an id.",
    )


def _money(company: CompanyRecord, text: str, option: str) -> Money:
    try:
        return Money.parse(text, company.company.currency)
    except ValueError as error:
        raise ServiceRefused(
            RefusalCode.AMOUNT_INVALID, f"{option} cannot be used: {error}"
        ) from None


def _written(minor: int, currency: str) -> str:
    return str(Money(minor, currency))


def _shown(agent: StoredAgent) -> dict[str, object]:
    account = agent.account
    return {
        "id": agent.id,
        "name": agent.name,
        "phone": masked(agent.phone),
        "mini_grid_id": agent.mini_grid_id,
        "commission_rate": agent.rate.text,
        "risk_balance": _written(account.risk_balance, account.currency),
        "balance": _written(account.balance, account.currency),
        "commission": _written(account.commission, account.currency),
        "due": _written(account.due, account.currency),
        "currency": account.currency,
        "enabled": agent.enabled,
        "created_at": agent.created_at.isoformat(),
    }
