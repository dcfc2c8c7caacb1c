"""`mpm api-key`: keys for programs."""

from __future__ import annotations

import click

from mpm_host.access.access_refusals import AccessCode
from mpm_host.access.key_store import StoredKey, create_key, list_keys, revoke_key
from mpm_host.access.roles import Role
from mpm_host.commands.output import json_option, print_json, print_table
from mpm_host.commands.surroundings import opened_host, person
from mpm_host.refusals import ServiceRefused

__all__ = ["command"]

_MOST = 10_000  # keys of one company


@click.group("api-key")
def command() -> None:
    """Give programs access to a company."""


@command.command("create")
@click.argument("slug")
@click.option("--name", required=True, help="What it is for; unique in the company.")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.ADMIN.value,
    show_default=True,
    help="What it may do.",
)
@click.option("--agent", metavar="ID", help="Whom a key of role agent acts for.")
@json_option
def create(*, slug: str, name: str, role: str, agent: str | None, as_json: bool) -> None:
    """Create an API key of company SLUG and show it, once."""
    with opened_host(reconcile=True) as host:
        company_id = host.companies.find(slug).id
        with host.engines.write.begin() as connection:
            new = create_key(
                connection,
                company_id,
                name,
                Role(role),
                person(host),
                own=Role.OWNER,
                agent_id=agent,
            )
    if as_json:
        print_json(_shown(new.stored) | {"key": new.bearer.reveal()})
        return
    click.echo(new.bearer.reveal())
    click.echo("It is not shown again. Send it as `Authorization: Bearer …`.", err=True)


@command.command("list")
@click.argument("slug")
@json_option
def list_command(*, slug: str, as_json: bool) -> None:
    """List the API keys of company SLUG."""
    with opened_host() as host, host.engines.read.connect() as connection:
        keys = list_keys(connection, host.companies.find(slug).id, limit=_MOST, after=None)
    if as_json:
        print_json([_shown(key) for key in keys])
        return
    rows = [(key.name, key.role.value, "revoked" if key.revoked_at else "works") for key in keys]
    print_table(["name", "role", "state"], rows, empty=f"Company {slug!r} has no API keys.")


@command.command("revoke")
@click.argument("slug")
@click.option("--name", required=True, help="The key's name.")
@json_option
def revoke(*, slug: str, name: str, as_json: bool) -> None:
    """Stop an API key of company SLUG, at once and for good."""
    with opened_host(reconcile=True) as host:
        company_id = host.companies.find(slug).id
        with host.engines.write.begin() as connection:
            keys = list_keys(connection, company_id, limit=_MOST, after=None)
            found = next((key for key in keys if key.name == name), None)
            if found is None:
                raise ServiceRefused(
                    AccessCode.UNKNOWN_API_KEY,
                    f"Company {slug!r} has no API key {name[:80]!r}; `mpm api-key list {slug}` "
                    "shows those it has.",
                )
            revoked = revoke_key(connection, company_id, found.id, person(host), own=Role.OWNER)
    if as_json:
        print_json(_shown(revoked))
    else:
        click.echo(f"API key {name!r} is revoked.")


def _shown(key: StoredKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "created_at": key.created_at.isoformat(),
        "created_by": key.created_by,
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
    }
