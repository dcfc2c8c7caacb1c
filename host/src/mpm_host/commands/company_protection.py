"""`mpm company protected-password`: the second password, for what is sensitive."""

from __future__ import annotations

from pathlib import Path

import click

from mpm_host.access.login import set_protected_password
from mpm_host.access.passwords import check_password, hash_password
from mpm_host.access.user_store import read_email
from mpm_host.commands.output import json_option, print_json
from mpm_host.commands.passwords import GivenPassword
from mpm_host.commands.surroundings import opened_host
from mpm_host.companies.audit_trail import Actor

__all__ = ["protected_password_command"]


@click.command("protected-password")
@click.argument("slug")
@click.option("--by", required=True, metavar="EMAIL", help="Who decides; kept in the audit trail.")
@click.option("--password-env", metavar="VAR", help="Variable that holds the password.")
@click.option(
    "--password-file", metavar="PATH", type=click.Path(path_type=Path), help="File that holds it."
)
@json_option
def protected_password_command(
    *, slug: str, by: str, password_env: str | None, password_file: Path | None, as_json: bool
) -> None:
    """Set the protected-pages password of company SLUG; asks for it on a terminal.

    Everybody who has opened protected data must give the new one from now on.
    """
    given = GivenPassword(option="--password", variable=password_env, file=password_file)
    email = read_email(by)
    with opened_host(reconcile=True) as host:
        company = host.companies.find(slug)
        hashed = hash_password(check_password(given.read("Protected-pages password")))
        with host.engines.write.begin() as connection:
            actor = Actor(name=email, at=host.clock(), reason="command line")
            set_protected_password(connection, company.id, hashed, actor)
    if as_json:
        print_json({"company": slug, "protected_password": "set"})
        return
    click.echo(f"The protected-pages password of company {slug!r} is set.")
