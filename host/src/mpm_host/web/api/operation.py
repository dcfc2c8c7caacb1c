"""Operations: everything the API can do, as data.

An operation says who may do it, what it takes and what it answers. The door runs it, the routes
and the OpenAPI document are made of it, so what is described is what happens. A resource's module
holds its bodies, its answers and its operations; the rules are in the services it calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

import attrs
from sqlalchemy.engine import Connection

from mpm_core import Money
from mpm_host.access.principal import Principal
from mpm_host.access.roles import Permission
from mpm_host.companies.audit_trail import Actor, write_audit
from mpm_host.directory import CompanyRecord
from mpm_host.refusals import RefusalCode, ServiceRefused
from mpm_host.web.api.values import Page

if TYPE_CHECKING:  # services make the web application: imported at run time it would be a circle
    from mpm_host.host import Host
    from mpm_host.services import Services

__all__ = ["ApiContext", "Call", "Download", "Method", "Operation", "page_of"]

Value = TypeVar("Value")
Item = TypeVar("Item")
Row = TypeVar("Row")


class Method(StrEnum):
    """What a request wants."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


@attrs.frozen(kw_only=True)
class ApiContext:
    """What operations work with.

    Attributes:
        host: the opened installation.
        services: its desk and workers.
    """

    host: Host
    services: Services


@attrs.frozen(kw_only=True)
class Download:
    """An answer that is a file, made while it is sent.

    Attributes:
        file_name: what a browser saves it as.
    """

    media_type: str
    file_name: str
    chunks: Iterator[bytes]


@attrs.frozen(kw_only=True)
class Call:
    """One request, read and allowed.

    Attributes:
        principal: who asks; `None` for public operations only.
        path: the parts of the path that vary, by name.
        prepared: what the operation's `prepare` returned.
        raw: the body of operations that take a file.
        base_url: where the caller reaches this host.
    """

    context: ApiContext
    now: datetime
    asker: Principal | None
    path: Mapping[str, str]
    query: object = None
    body: object = attrs.field(default=None, repr=False)
    raw: bytes = attrs.field(default=b"", repr=False)
    prepared: object = attrs.field(default=None, repr=False)

    @property
    def principal(self) -> Principal:
        """Who asks."""
        if self.asker is None:
            raise RuntimeError("This operation is public: nobody is known.")
        return self.asker

    @property
    def company(self) -> CompanyRecord:
        """Whose data it is about."""
        return self.principal.company

    @property
    def actor(self) -> Actor:
        """Who asks, for the audit trail."""
        return self.principal.actor(self.now)

    @property
    def today(self) -> date:
        """The company's date."""
        return self.company.today(self.now)

    def body_as(self, kind: type[Value]) -> Value:
        """Return the body, which the door has read as the operation's `body`."""
        return _as(self.body, kind)

    def query_as(self, kind: type[Value]) -> Value:
        """Return the query, which the door has read as the operation's `query`."""
        return _as(self.query, kind)

    def prepared_as(self, kind: type[Value]) -> Value:
        """Return what `prepare` made."""
        return _as(self.prepared, kind)

    def money(self, text: str, what: str) -> Money:
        """Read an amount in the company's currency.

        Raises:
            ServiceRefused: `amount_invalid`.
        """
        try:
            return Money.parse(text, self.company.company.currency)
        except ValueError as error:
            raise ServiceRefused(
                RefusalCode.AMOUNT_INVALID, f"The {what} cannot be used: {error}"
            ) from None

    def written(self, minor: int) -> str:
        """Write minor units of the company's currency."""
        return str(Money(minor, self.company.company.currency))

    def audit(  # noqa: PLR0913 - one column each
        self,
        connection: Connection,
        action: str,
        subject: str,
        *,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
        reason: str = "",
    ) -> None:
        """Note a change that its service does not note itself; JSON values, secrets masked."""
        write_audit(
            connection,
            self.principal.actor(self.now, reason),
            company_id=self.company.id,
            action=action,
            subject=subject,
            before=before or {},
            after=after or {},
        )


@attrs.frozen(kw_only=True)
class Operation:
    """One method of one path.

    Exactly one of `read`, `change` and `act` does the work. Answers are instances of `answer`.

    Attributes:
        path: below `/api/v1`, with `{names}` for the parts that vary.
        name: unique; generated clients call their methods so.
        tag: the resource it belongs to.
        summary: one line.
        details: more, in Markdown.
        permission: what the role must hold; `None`: any principal may.
        public: nobody needs to prove who they are.
        elevated: the protected-pages password must have been given.
        query: class of the query.
        body: class of the body; operations without one take none.
        takes: media type of a raw body, instead of `body`.
        answer: class of the answer; `None` for none.
        downloads: media types of the file it answers with, instead of `answer`.
        status: of success.
        read: with a connection that only reads.
        change: in one transaction, together with the stored answer of the idempotency key.
        act: opens its own transactions, because it also does what a transaction cannot hold.
        prepare: slow work before the transaction, such as hashing a password.
        after: what other parts of the host must hear once it is committed.
    """

    method: Method
    path: str
    name: str
    tag: str
    summary: str
    details: str = ""
    permission: Permission | None = None
    public: bool = False
    elevated: bool = False
    query: type | None = None
    body: type | None = None
    takes: str | None = None
    answer: object = None
    downloads: tuple[str, ...] = ()
    status: int = 200
    read: Callable[[Call, Connection], object] | None = None
    change: Callable[[Call, Connection], object] | None = None
    act: Callable[[Call], object] | None = None
    prepare: Callable[[Call], object] | None = None
    after: Callable[[Call], None] | None = None

    def __attrs_post_init__(self) -> None:
        if sum(work is not None for work in (self.read, self.change, self.act)) != 1:
            raise ValueError(f"{self.name}: give exactly one of read, change and act.")


def page_of(
    found: list[Row], limit: int, view: Callable[[Row], Item], identifier: Callable[[Row], str]
) -> Page[Item]:
    """Make a page of rows, of which one more than `limit` was asked for."""
    shown = found[:limit]
    more = len(found) > limit
    return Page(items=[view(row) for row in shown], next=identifier(shown[-1]) if more else None)


def _as(value: object, kind: type[Value]) -> Value:
    if not isinstance(value, kind):
        raise TypeError(f"The operation declares another class than {kind.__name__}.")
    return value
