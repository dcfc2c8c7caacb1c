"""`mpm plugins rework`: what was set aside of an instance's devices and pushes."""

from __future__ import annotations

import click

from mpm_host.commands.output import json_option, print_json
from mpm_host.commands.surroundings import opened_host, person
from mpm_host.set_aside_work import work_again

__all__ = ["rework"]


@click.command("rework")
@click.argument("slug")
@click.argument("instance")
@json_option
def rework(*, slug: str, instance: str, as_json: bool) -> None:
    """Try again what `mpm doctor` says was set aside of an instance, once the cause is mended.

    Look-ups and switches of devices, and pushes to payers; workers do it. Repeating this is
    harmless: no payer is asked twice.
    """
    with opened_host(reconcile=True) as host:
        record = host.companies.find_instance(slug, instance)
        with host.engines.write.begin() as connection:
            count = work_again(connection, record, person(host))
    if as_json:
        print_json({"tried_again": count})
    else:
        click.echo(f"{count} pieces of work are tried again.")
