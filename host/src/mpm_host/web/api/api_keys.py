"""`/api-keys`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.engine import Connection

from mpm_host.access.key_store import NewKey, StoredKey, create_key, list_keys, revoke_key
from mpm_host.access.roles import Permission, Role
from mpm_host.web.api.listing import view_of
from mpm_host.web.api.operation import Call, Method, Operation, page_of
from mpm_host.web.api.values import Body, Id, Name, Page, PageQuery, View

__all__ = ["OPERATIONS", "ShownKey", "shown_key"]


class NewApiKey(Body, frozen=True, kw_only=True):
    """A key for a program; its name stays taken after it was revoked.

    Role `agent` needs `agent_id`: whom it acts for, and nobody else.
    """

    name: Name
    role: Role
    agent_id: Id | None = None


class ApiKey(View, frozen=True, kw_only=True):
    """An API key, without the key itself."""

    id: str
    name: str
    role: Role
    created_at: datetime
    created_by: str
    revoked_at: datetime | None


class ShownKey(View, frozen=True, kw_only=True):
    """A new API key; `key` is what to send as bearer, and is shown only here."""

    id: str
    name: str
    role: Role
    created_at: datetime
    created_by: str
    key: str


def shown_key(new: NewKey) -> ShownKey:
    """Return a key as it is shown once."""
    stored = new.stored
    return ShownKey(
        id=stored.id,
        name=stored.name,
        role=stored.role,
        created_at=stored.created_at,
        created_by=stored.created_by,
        key=new.bearer.reveal(),
    )


def _create(call: Call, connection: Connection) -> ShownKey:
    new = call.body_as(NewApiKey)
    own = call.principal.role
    return shown_key(
        create_key(
            connection,
            call.company.id,
            new.name,
            new.role,
            call.actor,
            own=own,
            agent_id=new.agent_id,
        )
    )


def _list(call: Call, connection: Connection) -> Page[ApiKey]:
    paging = call.query_as(PageQuery)
    found = list_keys(connection, call.company.id, limit=paging.limit + 1, after=paging.cursor)
    return page_of(list(found), paging.limit, _view, lambda key: key.id)


def _revoke(call: Call, connection: Connection) -> None:
    own = call.principal.role
    revoke_key(connection, call.company.id, call.path["id"], call.actor, own=own)


def _view(key: StoredKey) -> ApiKey:
    return view_of(ApiKey, key)


OPERATIONS = (
    Operation(
        method=Method.POST,
        path="/api-keys",
        name="create_api_key",
        tag="access",
        summary="Create an API key.",
        details="The key is shown once. Nobody makes one above their own role.",
        permission=Permission.API_KEYS_WRITE,
        body=NewApiKey,
        answer=ShownKey,
        status=201,
        change=_create,
    ),
    Operation(
        method=Method.GET,
        path="/api-keys",
        name="list_api_keys",
        tag="access",
        summary="List the API keys, revoked ones too.",
        permission=Permission.API_KEYS_READ,
        query=PageQuery,
        answer=Page[ApiKey],
        read=_list,
    ),
    Operation(
        method=Method.DELETE,
        path="/api-keys/{id}",
        name="revoke_api_key",
        tag="access",
        summary="Revoke an API key, at once and for good.",
        permission=Permission.API_KEYS_WRITE,
        status=204,
        change=_revoke,
    ),
)
