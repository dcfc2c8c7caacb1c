"""Sign-up: a company with its plugins, owner, protected-pages password and first API key, at once.

Everything is one transaction of the caller: either all of it exists afterwards, or nothing.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import attrs
from sqlalchemy.engine import Connection

from mpm_core import Secret, SettingsError, read_settings
from mpm_core.discovery import canonical_name
from mpm_host.access.key_store import NewKey, create_key
from mpm_host.access.login import set_protected_password
from mpm_host.access.passwords import check_password, hash_password
from mpm_host.access.roles import Role
from mpm_host.access.user_store import NewUser, StoredUser, create_user, read_email
from mpm_host.companies.audit_trail import Actor
from mpm_host.companies.company_details import CompanyDetails
from mpm_host.companies.company_reconciliation import lock_companies
from mpm_host.companies.company_refusals import CompanyCode
from mpm_host.companies.company_store import insert_company, insert_instance, load_directory
from mpm_host.configuration.config_problems import ConfigPlace
from mpm_host.configuration.config_values import is_name
from mpm_host.directory import CompanyRecord, Directory, InstanceState
from mpm_host.plugins.plugin_catalog import PluginCatalog
from mpm_host.refusals import ServiceRefused
from mpm_host.registration.inputs import read_name

__all__ = ["Owner", "PreparedSignUp", "SignUp", "SignedUp", "prepare_sign_up", "sign_up"]

_KEY_NAME = "first key"
_LONGEST_SLUG = 50  # leaves room for a number


@attrs.frozen(kw_only=True)
class Owner:
    """The first user."""

    name: str
    email: str
    password: Secret


@attrs.frozen(kw_only=True)
class SignUp:
    """What a company says of itself.

    Attributes:
        plugins: those it wants, by name; their settings come later.
        protected_password: opens the protected pages, on top of a role.
        timezone: only where the country has several.
    """

    name: str
    country: str
    currency: str
    owner: Owner
    protected_password: Secret
    plugins: tuple[str, ...] = ()
    timezone: str | None = None


@attrs.frozen(kw_only=True)
class PreparedSignUp:
    """A checked request; hashing took its time before the transaction."""

    details: CompanyDetails
    plugins: tuple[str, ...]
    owner_name: str
    email: str
    password: str = attrs.field(repr=False)
    protected_password: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class SignedUp:
    """What came of it."""

    company: CompanyRecord
    owner: StoredUser
    key: NewKey


def prepare_sign_up(request: SignUp, catalog: PluginCatalog) -> PreparedSignUp:
    """Check everything that needs no database, and hash the passwords.

    Raises:
        ServiceRefused: `company_invalid`, `email_invalid`, `name_invalid`, `password_invalid`.
        PluginLoadError: a plugin is not allowed on this installation, or does not work.
    """
    details = _read_details(request)
    plugins = tuple(catalog.load(name).installed.name for name in request.plugins)
    email = read_email(request.owner.email)
    password = check_password(request.owner.password, email=email)
    protected = check_password(request.protected_password)
    return PreparedSignUp(
        details=details,
        plugins=tuple(dict.fromkeys(canonical_name(name) for name in plugins)),
        owner_name=read_name(request.owner.name, "owner's name"),
        email=email,
        password=hash_password(password),
        protected_password=hash_password(protected),
    )


def sign_up(connection: Connection, prepared: PreparedSignUp, actor: Actor) -> SignedUp:
    """Create it all in the caller's transaction.

    Raises:
        ServiceRefused: `email_taken`, `slug_taken`.
    """
    lock_companies(connection)
    slug = _free_slug(load_directory(connection), prepared.details.name)
    company_id = insert_company(
        connection,
        prepared.details.company(slug),
        actor,
        managed=False,
        arrears_buy_time=prepared.details.arrears_buy_time,
        demand_mapping=prepared.details.demand_mapping,
    )
    company = load_directory(connection).companies[company_id]
    for plugin in prepared.plugins:
        insert_instance(
            connection,
            company,
            actor,
            name=plugin,
            plugin=plugin,
            state=InstanceState.UNCONFIGURED,
        )
    owner = NewUser(
        email=prepared.email,
        name=prepared.owner_name,
        role=Role.OWNER,
        password=prepared.password,
    )
    user = create_user(connection, company_id, owner, actor, own=Role.OWNER)
    set_protected_password(connection, company_id, prepared.protected_password, actor)
    key = create_key(connection, company_id, _KEY_NAME, Role.OWNER, actor, own=Role.OWNER)
    return SignedUp(company=company, owner=user, key=key)


def _read_details(request: SignUp) -> CompanyDetails:
    place = ConfigPlace(
        company="new", instance="company", plugin="company", section="The new company"
    )
    given: dict[str, object] = {
        "name": read_name(request.name, "company's name"),
        "country": request.country,
        "currency": request.currency,
    }
    if request.timezone is not None:
        given["timezone"] = request.timezone
    try:
        return read_settings(
            CompanyDetails, given, place=place, environ={}, folder=Path(), allow_references=False
        )
    except SettingsError as error:
        raise ServiceRefused(CompanyCode.COMPANY_INVALID, str(error)) from None


def _free_slug(directory: Directory, name: str) -> str:
    """Return a slug made of the name, with a number where it is taken."""
    base = _slug(name)
    for number in range(1, 10_000):
        slug = base if number == 1 else f"{base}-{number}"
        if slug not in directory.by_slug:
            return slug
    raise ServiceRefused(CompanyCode.SLUG_TAKEN, f"Every slug like {base!r} is taken.")


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_SLUG].strip("-")
    return words if is_name(words) else f"company-{words}".strip("-")
