"""`mpm plugins retell`: what an instance was not told."""

from __future__ import annotations

import click

from mpm_host.commands.output import json_option, print_json
from mpm_host.commands.surroundings import opened_host, person
from mpm_host.outbox.set_aside_tellings import forget_set_aside, tell_again

__all__ = ["retell"]


@click.command("retell")
@click.argument("slug")
@click.argument("instance")
@click.option("--forget", is_flag=True, help="Never tell it instead.")
@json_option
def retell(*, slug: str, instance: str, forget: bool, as_json: bool) -> None:
    """Tell an instance again what `mpm doctor` says it was not told, once it is mended.

    Workers do it. Repeating this is harmless.
    """
    with opened_host(reconcile=True) as host:
        record = host.companies.find_instance(slug, instance)
        do = forget_set_aside if forget else tell_again
        with host.engines.write.begin() as connection:
            count = do(connection, record, person(host))
    if as_json:
        print_json({"facts": count, "forgotten": forget})
    elif forget:
        click.echo(f"{count} facts are forgotten.")
    else:
        click.echo(f"{count} facts are told again.")
