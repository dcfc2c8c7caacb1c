"""`mpm pay`: the simulator of a company's telecom makes a payment against a running host."""

from __future__ import annotations

import sys

import click

from mpm_core import Money, SimulatedPayment, UserError
from mpm_core.discovery import find_plugin, load_plugin_class
from mpm_core.simulation.simulators import simulator_of
from mpm_host.commands.output import json_option, print_json
from mpm_host.commands.surroundings import opened_host
from mpm_host.configuration.config_values import Mode
from mpm_host.demo.simulated_payer import CallMade, SimulatedPayer
from mpm_host.directory import InstanceRecord
from mpm_host.host import Host
from mpm_host.identifiers import new_identifier

__all__ = ["command"]

_OK = range(200, 300)


@click.command("pay")
@click.argument("slug")
@click.argument("instance")
@click.option("--serial", required=True, help="Of the device that is paid.")
@click.option("--amount", required=True, help="In the company's currency, such as 1000.")
@click.option("--msisdn", required=True, help="Phone number that pays.")
@click.option("--reference", help="The telecom's id of the payment; a new one by default.")
@click.option("--url", help="Of the running host; [host] public_url by default.")
@json_option
def command(  # noqa: PLR0913 - one argument per option
    *,
    slug: str,
    instance: str,
    serial: str,
    amount: str,
    msisdn: str,
    reference: str | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Let the simulated telecom behind INSTANCE of company SLUG make a payment.

    Validates and, if the host agrees, processes. Exit code 1 if a call was refused.
    """
    import httpx  # noqa: PLC0415 - only to name its error

    with opened_host() as host:
        payer = _payer(host, slug, instance, url)
        try:
            money = Money.parse(amount, host.house.directory.by_slug[slug].company.currency)
        except ValueError as error:
            raise UserError(f"--amount: {error}") from None
        payment = SimulatedPayment(
            reference=reference or f"SIM{new_identifier()[-12:].upper()}",
            serial=serial,
            amount=money,
            msisdn=msisdn,
        )
        try:
            calls = payer.pay(payment)
        except httpx.TransportError as error:
            raise UserError(
                f"Nobody answers at {payer.callback_url.partition('/callbacks/')[0]} "
                f"({type(error).__name__}); start `mpm serve` or give --url."
            ) from None
        finally:
            payer.close()
    _print(payment, calls, as_json=as_json)
    sys.exit(0 if len(calls) > 1 and all(call.reply.status in _OK for call in calls) else 1)


def _payer(host: Host, slug: str, name: str, url: str | None) -> SimulatedPayer:
    if host.config.host.mode is Mode.PRODUCTION:
        raise UserError('[host] mode is "production"; simulators work in development only.')
    record = _instance(host, slug, name)
    simulator = simulator_of(load_plugin_class(find_plugin(record.plugin)))
    base = (url or host.config.host.public_url).rstrip("/")
    return SimulatedPayer(
        simulator,
        f"{base}/callbacks/{record.callback_key}",
        host.house.plain_settings(record.id),
    )


def _instance(host: Host, slug: str, name: str) -> InstanceRecord:
    company = host.house.directory.by_slug.get(slug)
    if company is None:
        raise UserError(f"There is no company {slug!r}; see `mpm company list`.")
    record = host.house.directory.instance_named(company.id, name)
    if record is None:
        raise UserError(
            f"Company {slug!r} has no instance {name!r}; see `mpm company show {slug}`."
        )
    if record.problem:
        raise UserError(record.problem)
    return record


def _print(payment: SimulatedPayment, calls: tuple[CallMade, ...], *, as_json: bool) -> None:
    if as_json:
        answers = [
            {"path": c.path, "status": c.reply.status, "body": c.reply.body.decode()} for c in calls
        ]
        print_json({"reference": payment.reference, "calls": answers})
        return
    click.echo(f"Reference {payment.reference}")
    for call in calls:
        click.echo(f"{call.path}: {call.reply.status} {call.reply.body.decode().strip()}")
    if len(calls) == 1:
        click.echo("The host did not agree; no money moved.")
