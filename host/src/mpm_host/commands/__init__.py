"""The command tree of `mpm`, lazily: a command's module is imported when it is used.

`mpm --help` must cost no more than twice a bare click program, so this module imports click alone,
and the short help of each command stands in the table below.
"""

from __future__ import annotations

from importlib import import_module

import click

__all__ = ["COMMANDS", "LazyGroup", "cli"]

# name: (module in this package that has `command`, short help)
COMMANDS = {
    "init": ("init", "Write mpm.toml and a key, and create the database."),
    "demo": ("demo", "Play payments against simulated telecoms and manufacturers."),
    "serve": ("serve", "Answer telecoms and the API, with workers unless told otherwise."),
    "worker": ("worker", "Do background work only."),
    "sandbox": ("sandbox", "Serve the simulators of the allowed plugins."),
    "pay": ("pay", "Let a simulated telecom make a payment against a running host."),
    "db": ("db", "Bring the database's tables up to date."),
    "company": ("company", "Create companies and choose their plugins."),
    "user": ("user", "Let people of a company log in."),
    "api-key": ("api_key", "Give programs access to a company."),
    "agent": ("agent", "Let agents sell, and take the cash they hand over."),
    "import": ("import_", "Register customers and devices from a CSV file."),
    "payments": ("payments", "See payments, and decide those that need a person."),
    "cash-payment": ("cash_payment", "Book money that was taken by hand."),
    "push": ("push", "Ask payers' phones for payments."),
    "token": ("token", "Give devices tokens past all debts."),
    "messages": ("messages", "See the messages to customers."),
    "verify": ("verify", "Check that the ledger adds up."),
    "plugins": ("plugins", "See and check the plugins that are installed."),
    "doctor": ("doctor", "Find what does not work, and what to type next."),
}


class PlainError(click.ClickException):
    """A person's mistake: one line per mistake on standard error, exit code 2."""

    exit_code = 2

    def show(self, file: object = None) -> None:  # noqa: ARG002 - click's signature
        """Print every line with the word that scripts look for."""
        for line in self.message.splitlines():
            click.echo(f"Error: {line}", err=True)


class LazyGroup(click.Group):
    """A group whose subcommands are imported only when one of them is used."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names, in the table's order."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"{__name__}.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line, unless it has bytes that are no text: nothing could store them."""
        for argument in args:
            readable = argument.encode(errors="replace").decode()
            if readable != argument:
                raise PlainError(f"Argument {readable!r} is not UTF-8; write it in UTF-8.")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; what a person did wrong ends in a plain line, anything else is a bug."""
        from mpm_core.errors import UserError  # noqa: PLC0415 - `mpm --help` must not pay for it

        try:
            return super().invoke(ctx)
        except UserError as error:
            raise PlainError(str(error)) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", metavar="PATH", help="Configuration; else MPM_CONFIG, else ./mpm.toml.")
@click.version_option(package_name="mpm-host", prog_name="mpm", message="%(prog)s %(version)s")
def cli(config: str | None) -> None:
    """Mobile-money payments for prepaid energy devices."""
