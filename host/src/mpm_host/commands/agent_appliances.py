"""`mpm agent appliances`, `give` and `take-back`: what an agent may sell."""

from __future__ import annotations

import click
from sqlalchemy.engine import Connection

from mpm_core import Money
from mpm_host.agents.agent_appliances import (
    AssignedAppliance,
    assign_appliance,
    list_assigned,
    take_appliance_back,
)
from mpm_host.agents.agent_store import find_agent
from mpm_host.commands.output import json_option, print_json, print_table
from mpm_host.commands.surroundings import opened_host, person
from mpm_host.directory import CompanyRecord
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.registration.appliances import find_appliances

__all__ = ["APPLIANCE_COMMANDS"]

_MOST = 10_000  # appliances of one agent
_COLUMNS = ("appliance_id", "name", "price", "created_at")
_appliance_option = click.option(
    "--appliance", required=True, metavar="NAME|ID", help="What they sell."
)


@click.command("appliances")
@click.argument("slug")
@click.argument("agent_id", metavar="ID")
@json_option
def appliances(*, slug: str, agent_id: str, as_json: bool) -> None:
    """List what agent ID of company SLUG may sell, and at which price."""
    with opened_host() as host, host.engines.read.connect() as connection:
        company = host.companies.find(slug)
        agent = find_agent(connection, company, agent_id)
        found = list_assigned(connection, company.id, agent.id, limit=_MOST, after=None)
        shown = [_shown(company, each) for each in found]
    if as_json:
        print_json(shown)
        return
    rows = [tuple(str(each[name]) for name in _COLUMNS) for each in shown]
    print_table(_COLUMNS, rows, empty=f"Agent {agent.name!r} may sell nothing yet.")


@click.command("give")
@click.argument("slug")
@click.argument("agent_id", metavar="ID")
@_appliance_option
@click.option("--price", required=True, help="The agent's price; another one replaces it.")
@json_option
def give(*, slug: str, agent_id: str, appliance: str, price: str, as_json: bool) -> None:
    """Let agent ID of company SLUG sell an appliance at a price."""
    with opened_host(reconcile=True) as host:
        company = host.companies.find(slug)
        with host.engines.write.begin() as connection:
            appliance_id = _find(connection, company, appliance)
            made = assign_appliance(
                connection, company, agent_id, appliance_id, _price(company, price), person(host)
            )
    shown = _shown(company, made)
    if as_json:
        print_json(shown)
    else:
        currency = company.company.currency
        click.echo(f"The agent sells {made.name!r} for {shown['price']} {currency} now.")


@click.command("take-back")
@click.argument("slug")
@click.argument("agent_id", metavar="ID")
@_appliance_option
@json_option
def take_back(*, slug: str, agent_id: str, appliance: str, as_json: bool) -> None:
    """Let agent ID of company SLUG sell an appliance no more; what is sold stays sold."""
    with opened_host(reconcile=True) as host:
        company = host.companies.find(slug)
        with host.engines.write.begin() as connection:
            appliance_id = _find(connection, company, appliance)
            had = take_appliance_back(connection, company, agent_id, appliance_id, person(host))
    if as_json:
        print_json({"appliance_id": appliance_id, "taken_back": had})
        return
    click.echo(f"{'Taken back' if had else 'The agent did not have it'}: {appliance!r}.")


APPLIANCE_COMMANDS = (appliances, give, take_back)


def _find(connection: Connection, company: CompanyRecord, given: str) -> str:
    """Find an appliance by its name, which one has alone, or else by its id."""
    found = find_appliances(connection, company, names=[given])
    for each in found.values():
        return each.id
    if given in find_appliances(connection, company, ids=[given]):
        return given
    raise ServiceRefused(
        RefusalCode.UNKNOWN_APPLIANCE,
        f"Company {company.company.slug!r} has no appliance {given[:80]!r}; give its name or id.",
    )


def _price(company: CompanyRecord, text: str) -> Money:
    try:
        return Money.parse(text, company.company.currency)
    except ValueError as error:
        raise ServiceRefused(
            RefusalCode.AMOUNT_INVALID, f"--price cannot be used: {error}"
        ) from None


def _shown(company: CompanyRecord, each: AssignedAppliance) -> dict[str, object]:
    return {
        "appliance_id": each.appliance_id,
        "name": each.name,
        "price": str(Money(each.price, company.company.currency)),
        "created_at": each.created_at.isoformat(),
    }
