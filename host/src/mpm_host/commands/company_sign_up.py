"""`mpm company sign-up`: a company with its plugins, owner and passwords, all or nothing.

On a terminal, whatever was not given is asked for, and asked again until it can be right. The
rules, and the one transaction, are those of the API's `POST /companies`.
"""

from __future__ import annotations

from pathlib import Path

import attrs
import click

from mpm_core import Secret, UserError
from mpm_host.access.passwords import check_password
from mpm_host.access.sign_up import Owner, SignedUp, SignUp, prepare_sign_up, sign_up
from mpm_host.access.user_store import read_email
from mpm_host.commands.company_checklist import checklist_view, print_checklist, read_checklist
from mpm_host.commands.output import json_option, print_json
from mpm_host.commands.passwords import GivenPassword
from mpm_host.commands.questions import ask, ask_password
from mpm_host.commands.sign_up_plugins import ask_for_plugins
from mpm_host.commands.surroundings import is_terminal, opened_host, person
from mpm_host.companies.company_details import CompanyDetails, only_zone
from mpm_host.companies.company_views import company_view
from mpm_host.host import Host
from mpm_host.registration.inputs import read_name

__all__ = ["sign_up_command"]

_FILE = click.Path(path_type=Path)


@attrs.frozen(kw_only=True)
class _Given:
    """What the options say; the names are theirs."""

    name: str | None
    country: str | None
    currency: str | None
    timezone: str | None
    plugins: tuple[str, ...]
    no_plugins: bool
    owner_name: str | None
    owner_email: str | None
    owner_password_env: str | None
    owner_password_file: Path | None
    protected_password_env: str | None
    protected_password_file: Path | None

    @property
    def owner_password(self) -> GivenPassword:
        """Where the owner's password comes from."""
        return GivenPassword(
            option="--owner-password",
            variable=self.owner_password_env,
            file=self.owner_password_file,
        )

    @property
    def protected_password(self) -> GivenPassword:
        """Where the protected-pages password comes from."""
        return GivenPassword(
            option="--protected-password",
            variable=self.protected_password_env,
            file=self.protected_password_file,
        )


@click.command("sign-up")
@click.option("--name", help="Name as customers know it.")
@click.option("--country", help="ISO 3166 code, such as TZ.")
@click.option("--currency", help="ISO 4217 code, such as TZS.")
@click.option("--timezone", help="IANA name; not needed where the country has one only.")
@click.option("--plugin", "plugins", multiple=True, help="A plugin it wants; settings come later.")
@click.option("--no-plugins", is_flag=True, help="Choose plugins later.")
@click.option("--owner-name", help="The first user, who may do everything.")
@click.option("--owner-email", help="Address the owner logs in with.")
@click.option("--owner-password-env", metavar="VAR", help="Variable that holds the password.")
@click.option("--owner-password-file", metavar="PATH", type=_FILE, help="File that holds it.")
@click.option("--protected-password-env", metavar="VAR", help="The same of the protected pages.")
@click.option("--protected-password-file", metavar="PATH", type=_FILE, help="The same.")
@json_option
def sign_up_command(*, as_json: bool, **options: object) -> None:
    """Create a company with its plugins, owner and passwords, all or nothing.

    What is not given is asked for on a terminal. Whoever uses this runs the installation, so it
    works also where open_sign_up is off.
    """
    given = _Given(**options)  # type: ignore[arg-type]  # click gives them by name
    if given.plugins and given.no_plugins:
        raise UserError("Give --plugin or --no-plugins, not both.")
    if not is_terminal():
        _refuse_missing(given)
    with opened_host(reconcile=True) as host:
        made = _sign_up(host, _request(host, given))
        _print(host, made, as_json=as_json)


def _refuse_missing(given: _Given) -> None:
    """Name everything a script forgot, at once."""
    texts = {
        "--name": given.name,
        "--country": given.country,
        "--currency": given.currency,
        "--owner-name": given.owner_name,
        "--owner-email": given.owner_email,
    }
    missing = [option for option, text in texts.items() if text is None]
    passwords = (given.owner_password, given.protected_password)
    missing += [f"{each.option}-env or -file" for each in passwords if not each.is_given]
    if missing:
        raise UserError(f"Nobody can be asked here; give {', '.join(missing)}.")


def _request(host: Host, given: _Given) -> SignUp:
    """Ask for what was not given, in the order in which people tell it."""
    name = given.name or ask("Company's name", lambda text: read_name(text, "name"))
    country = given.country or ask("Country (ISO 3166 code, such as TZ)", _country)
    currency = given.currency or ask("Currency (ISO 4217 code, such as TZS)", _currency)
    timezone = given.timezone or _zone(country)
    plugins = _plugins(host, given)
    owner = _owner(given)
    return SignUp(
        name=name,
        country=country,
        currency=currency,
        timezone=timezone,
        plugins=plugins,
        owner=owner,
        protected_password=_password(given.protected_password, "Protected-pages password"),
    )


def _owner(given: _Given) -> Owner:
    name = given.owner_name or ask("Owner's name", lambda text: read_name(text, "name"))
    email = read_email(given.owner_email or ask("Owner's e-mail address", read_email))
    password = _password(given.owner_password, "Owner's password", email)
    return Owner(name=name, email=email, password=password)


def _plugins(host: Host, given: _Given) -> tuple[str, ...]:
    if given.plugins or given.no_plugins or not is_terminal():
        return given.plugins
    return ask_for_plugins(host.house.catalog)


def _password(given: GivenPassword, question: str, email: str = "") -> Secret:
    known = given.read_given()
    if known is not None:
        return known  # the service checks it
    return ask_password(question, lambda typed: check_password(typed, email=email))


def _country(text: str) -> str:
    _details(country=text.strip().upper())
    return text.strip().upper()


def _currency(text: str) -> str:
    _details(currency=text.strip().upper())
    return text.strip().upper()


def _timezone(text: str) -> str:
    _details(timezone=text.strip())
    return text.strip()


def _details(country: str = "TZ", currency: str = "TZS", timezone: str = "UTC") -> None:
    """Check one answer by the rules of all; what is not asked yet is taken for right."""
    try:
        CompanyDetails(name="?", country=country, currency=currency, timezone=timezone)
    except ValueError as error:
        raise UserError(f"The {error}") from None


def _zone(country: str) -> str | None:
    """Ask for the time zone where the country has several."""
    if only_zone(country) is not None or not is_terminal():
        return None
    return ask("Time zone (such as Africa/Dar_es_Salaam)", _timezone)


def _sign_up(host: Host, request: SignUp) -> SignedUp:
    prepared = prepare_sign_up(request, host.house.catalog)
    with host.engines.write.begin() as connection:
        actor = attrs.evolve(person(host), reason="sign-up")
        made = sign_up(connection, prepared, actor)
    host.house.reload()
    return made


def _print(host: Host, made: SignedUp, *, as_json: bool) -> None:
    items = read_checklist(host, made.company)
    slug, key = made.company.company.slug, made.key
    if as_json:
        owner = {"id": made.owner.id, "email": made.owner.email, "name": made.owner.name}
        print_json(
            {
                "company": company_view(made.company),
                "owner": owner,
                "api_key": {"name": key.stored.name, "key": key.bearer.reveal()},
                "checklist": checklist_view(made.company, items),
            }
        )
        return
    click.echo(f"Company {slug!r} is signed up; {made.owner.email!r} is its owner.")
    click.echo(f"Its first API key, not shown again: {key.bearer.reveal()}")
    click.echo()
    print_checklist(made.company, items)
    click.echo(f"Later: mpm company checklist {slug}")
