"""`POST /companies` (sign-up), `/checklist` and `/audit`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy.engine import Connection

from mpm_host.access.access_refusals import AccessCode
from mpm_host.access.checklist import checklist
from mpm_host.access.roles import Permission
from mpm_host.access.sign_up import Owner, PreparedSignUp, SignUp, prepare_sign_up, sign_up
from mpm_host.companies.audit_trail import Actor
from mpm_host.companies.company_views import company_view
from mpm_host.database import tables as t
from mpm_host.directory import CompanyRecord
from mpm_host.refusals import ServiceRefused
from mpm_host.web.api.api_keys import ShownKey, shown_key
from mpm_host.web.api.listing import list_page, view_of
from mpm_host.web.api.operation import Call, Method, Operation
from mpm_host.web.api.users import User
from mpm_host.web.api.values import (
    UNSET,
    Body,
    Name,
    Page,
    PageQuery,
    Secret,
    UnsetType,
    View,
)

__all__ = ["OPERATIONS"]


class NewOwner(Body, frozen=True, kw_only=True):
    """The company's first user."""

    name: Name
    email: Annotated[str, Meta(min_length=3, max_length=200, examples=["asha@example.com"])]
    password: Secret


class NewCompany(Body, frozen=True, kw_only=True):
    """A company that signs up; its plugins get their settings later."""

    name: Name
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z", description="ISO 3166.", examples=["TZ"])]
    currency: Annotated[
        str, Meta(pattern=r"^[A-Z]{3}\Z", description="ISO 4217.", examples=["TZS"])
    ]
    owner: NewOwner
    protected_password: Secret
    plugins: Annotated[list[Name], Meta(max_length=50)] = msgspec.field(default_factory=list)
    timezone: Annotated[str, Meta(max_length=64)] | None = None


class Company(View, frozen=True, kw_only=True):
    """A company."""

    slug: str
    name: str
    country: str
    currency: str
    timezone: str


class CompanySettings(Company, frozen=True, kw_only=True):
    """A company with what it chose; one that the configuration manages is changed there."""

    managed_by_configuration: bool
    arrears_buy_time: bool
    demand_mapping: bool


class CompanyPatch(Body, frozen=True, kw_only=True):
    """What to change.

    `arrears_buy_time`: paying late instalments of a solar home system buys days too.
    `demand_mapping`: a device is registered, and can be paid, only if its manufacturer knows it.
    """

    name: Name | UnsetType = UNSET
    arrears_buy_time: bool | UnsetType = UNSET
    demand_mapping: bool | UnsetType = UNSET


class SignedUpCompany(View, frozen=True, kw_only=True):
    """The new company, its owner and its first API key, which is shown only here."""

    company: Company
    owner: User
    api_key: ShownKey


class Check(View, frozen=True, kw_only=True):
    """One thing a company needs; `what` says what to do."""

    name: str
    done: bool
    what: str
    instance: str | None


class Checklist(View, frozen=True, kw_only=True):
    """What is still missing before the first payment, in the order to do it in."""

    done: bool
    items: list[Check]


class Change(View, frozen=True, kw_only=True):
    """One change of the audit trail; secrets are masked."""

    id: str
    at: datetime
    actor: str
    action: str
    subject: str
    before: dict[str, object]
    after: dict[str, object]
    reason: str


def _prepare(call: Call) -> PreparedSignUp:
    host, given = call.context.host, call.body_as(NewCompany)
    if not host.config.host.open_sign_up:
        raise ServiceRefused(
            AccessCode.SIGN_UP_CLOSED,
            "Nobody can sign up here; ask whoever runs this installation for a company.",
        )
    owner = Owner(name=given.owner.name, email=given.owner.email, password=given.owner.password)
    request = SignUp(
        name=given.name,
        country=given.country,
        currency=given.currency,
        timezone=given.timezone,
        plugins=tuple(given.plugins),
        owner=owner,
        protected_password=given.protected_password,
    )
    return prepare_sign_up(request, host.house.catalog)


def _sign_up(call: Call, connection: Connection) -> SignedUpCompany:
    prepared = call.prepared_as(PreparedSignUp)
    actor = Actor(name=prepared.email, at=call.now, reason="sign-up")
    made = sign_up(connection, prepared, actor)
    return SignedUpCompany(
        company=view_of(Company, made.company.company),
        owner=view_of(User, made.owner),
        api_key=shown_key(made.key),
    )


def _reload(call: Call) -> None:
    call.context.host.house.reload()


def _settings(record: CompanyRecord) -> CompanySettings:
    shown = company_view(record)
    return CompanySettings(**{name: shown[name] for name in CompanySettings.__struct_fields__})  # type: ignore[arg-type]  # by name


def _show(call: Call, _connection: Connection) -> CompanySettings:
    return _settings(call.company)


def _change(call: Call) -> CompanySettings:
    given = call.body_as(CompanyPatch)
    named = {name: getattr(given, name) for name in CompanyPatch.__struct_fields__}
    changes = {name: value for name, value in named.items() if not isinstance(value, UnsetType)}
    slug = call.company.company.slug
    return _settings(call.context.host.companies.change(slug, changes, call.actor))


def _checklist(call: Call, connection: Connection) -> Checklist:
    items = checklist(connection, call.context.host.house.directory, call.company)
    return Checklist(
        done=all(item.done for item in items), items=[view_of(Check, item) for item in items]
    )


def _audit(call: Call, connection: Connection) -> Page[Change]:
    return list_page(call, connection, t.audit, Change)


OPERATIONS = (
    Operation(
        method=Method.POST,
        path="/companies",
        name="sign_up",
        tag="company",
        summary="Create a company with its owner and first API key, all or nothing.",
        details="Only where `open_sign_up` is on.",
        public=True,
        body=NewCompany,
        answer=SignedUpCompany,
        status=201,
        prepare=_prepare,
        change=_sign_up,
        after=_reload,
    ),
    Operation(
        method=Method.GET,
        path="/company",
        name="show_company",
        tag="company",
        summary="Show the company and what it chose.",
        permission=Permission.COMPANY_READ,
        answer=CompanySettings,
        read=_show,
    ),
    Operation(
        method=Method.PATCH,
        path="/company",
        name="change_company",
        tag="company",
        summary="Change the company's name or what it chose.",
        permission=Permission.COMPANY_WRITE,
        body=CompanyPatch,
        answer=CompanySettings,
        act=_change,
    ),
    Operation(
        method=Method.GET,
        path="/checklist",
        name="show_checklist",
        tag="company",
        summary="Show what is still missing before the first payment.",
        permission=Permission.COMPANY_READ,
        answer=Checklist,
        read=_checklist,
    ),
    Operation(
        method=Method.GET,
        path="/audit",
        name="list_audit",
        tag="company",
        summary="List who changed what.",
        permission=Permission.AUDIT_READ,
        query=PageQuery,
        answer=Page[Change],
        read=_audit,
    ),
)
