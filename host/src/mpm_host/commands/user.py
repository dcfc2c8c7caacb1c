"""`mpm user`: who may log in."""

from __future__ import annotations

from pathlib import Path

import click
from sqlalchemy.engine import Connection

from mpm_host.access.access_refusals import AccessCode
from mpm_host.access.password_resets import make_reset_code
from mpm_host.access.passwords import check_password, hash_password
from mpm_host.access.roles import Role
from mpm_host.access.user_store import (
    NewUser,
    StoredUser,
    UserChange,
    change_user,
    create_user,
    list_users,
    read_email,
)
from mpm_host.commands.output import json_option, print_json, print_table
from mpm_host.commands.passwords import GivenPassword
from mpm_host.commands.surroundings import opened_host, person
from mpm_host.companies.audit_trail import Actor
from mpm_host.refusals import ServiceRefused

__all__ = ["command"]

_MOST = 10_000  # users of one company


@click.group("user")
def command() -> None:
    """Let people of a company log in."""


@command.command("create")
@click.argument("slug")
@click.option("--email", required=True, help="Address they log in with.")
@click.option("--name", help="Their name; the address if not said.")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    required=True,
    help="What they may do.",
)
@click.option("--agent", metavar="ID", help="Whom a user of role agent acts for.")
@click.option("--password-env", metavar="VAR", help="Variable that holds the password.")
@click.option(
    "--password-file", metavar="PATH", type=click.Path(path_type=Path), help="File that holds it."
)
@json_option
def create(  # noqa: PLR0913 - one argument per option
    *,
    slug: str,
    email: str,
    name: str | None,
    role: str,
    agent: str | None,
    password_env: str | None,
    password_file: Path | None,
    as_json: bool,
) -> None:
    """Create a user of company SLUG; asks for the password on a terminal."""
    email = read_email(email)
    given = GivenPassword(option="--password", variable=password_env, file=password_file)
    password = check_password(given.read("Password"), email=email)
    new = NewUser(
        email=email,
        name=name or email,
        role=Role(role),
        password=hash_password(password),
        agent_id=agent,
    )
    with opened_host(reconcile=True) as host:
        company_id = host.companies.find(slug).id
        with host.engines.write.begin() as connection:
            user = create_user(connection, company_id, new, person(host), own=Role.OWNER)
    if as_json:
        print_json(_shown(user))
    else:
        click.echo(f"User {user.email!r} created; they log in with POST /api/v1/sessions.")


@command.command("list")
@click.argument("slug")
@json_option
def list_command(*, slug: str, as_json: bool) -> None:
    """List the users of company SLUG."""
    with opened_host() as host, host.engines.read.connect() as connection:
        users = _users(connection, host.companies.find(slug).id)
    if as_json:
        print_json([_shown(user) for user in users])
        return
    rows = [(each.email, each.name, each.role.value, _state(each)) for each in users]
    print_table(["email", "name", "role", "state"], rows, empty=f"Company {slug!r} has no users.")


@command.command("disable")
@click.argument("slug")
@click.option("--email", required=True, help="Address they log in with.")
@json_option
def disable(*, slug: str, email: str, as_json: bool) -> None:
    """Keep a user of company SLUG out, at once."""
    with opened_host(reconcile=True) as host:
        company_id = host.companies.find(slug).id
        with host.engines.write.begin() as connection:
            user = _find(connection, company_id, slug, read_email(email))
            change = UserChange(enabled=False)
            user = change_user(
                connection, company_id, user.id, change, person(host), own=Role.OWNER
            )
    if as_json:
        print_json(_shown(user))
    else:
        click.echo(f"User {user.email!r} is disabled and logged out.")


@command.command("reset-password")
@click.argument("slug")
@click.argument("email")
@click.option("--by", required=True, metavar="EMAIL", help="Who decides; kept in the audit trail.")
@json_option
def reset_password(*, slug: str, email: str, by: str, as_json: bool) -> None:
    """Make a code with which user EMAIL of company SLUG chooses another password.

    It is shown once and works once, for 30 minutes. Pass it on yourself: no mail is sent.
    """
    decider = read_email(by)
    with opened_host(reconcile=True) as host:
        company_id = host.companies.find(slug).id
        actor = Actor(name=decider, at=host.clock(), reason="command line")
        with host.engines.write.begin() as connection:
            user = _find(connection, company_id, slug, read_email(email))
            made = make_reset_code(connection, company_id, user.id, actor, own=Role.OWNER)
    if as_json:
        print_json(
            {
                "email": made.email,
                "code": made.code.reveal(),
                "expires_at": made.expires_at.isoformat(),
            }
        )
        return
    click.echo(made.code.reveal())
    click.echo(
        f"It is not shown again. With it {made.email!r} chooses another password within 30 "
        "minutes: POST /api/v1/password-resets/confirm {email, code, password}.",
        err=True,
    )


def _find(connection: Connection, company_id: str, slug: str, email: str) -> StoredUser:
    for user in _users(connection, company_id):
        if user.email == email:
            return user
    raise ServiceRefused(AccessCode.UNKNOWN_USER, f"Company {slug!r} has no user {email!r}.")


def _users(connection: Connection, company_id: str) -> list[StoredUser]:
    return sorted(
        list_users(connection, company_id, limit=_MOST, after=None), key=lambda user: user.email
    )


def _shown(user: StoredUser) -> dict[str, object]:
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role.value,
        "enabled": user.enabled,
        "created_at": user.created_at.isoformat(),
    }


def _state(user: StoredUser) -> str:
    return "enabled" if user.enabled else "disabled"
