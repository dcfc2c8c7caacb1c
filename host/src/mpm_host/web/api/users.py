"""`/users`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta
from sqlalchemy.engine import Connection

from mpm_host.access.passwords import check_password, hash_password
from mpm_host.access.roles import Permission, Role
from mpm_host.access.user_store import (
    NewUser,
    UserChange,
    change_user,
    create_user,
    find_user,
    list_users,
)
from mpm_host.web.api.listing import view_of
from mpm_host.web.api.operation import Call, Method, Operation, page_of
from mpm_host.web.api.values import UNSET, Body, Id, Name, Page, PageQuery, Secret, UnsetType, View

__all__ = ["OPERATIONS"]


class NewUserBody(Body, frozen=True, kw_only=True):
    """Somebody to let in; they log in with address and password.

    Role `agent` needs `agent_id`: whom they act for, and nobody else.
    """

    email: Annotated[str, Meta(min_length=3, max_length=200, examples=["asha@example.com"])]
    name: Name
    role: Role
    password: Secret
    agent_id: Id | None = None


class UserPatch(Body, frozen=True, kw_only=True):
    """What to change; another password, or `enabled` false, ends the user's sessions."""

    name: Name | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    password: Secret | UnsetType = UNSET


class User(View, frozen=True, kw_only=True):
    """A user."""

    id: str
    email: str
    name: str
    role: Role
    enabled: bool
    created_at: datetime


def _hash_new(call: Call) -> str:
    new = call.body_as(NewUserBody)
    return hash_password(check_password(new.password, email=new.email))


def _hash_changed(call: Call) -> str:
    password = call.body_as(UserPatch).password
    return hash_password(check_password(password)) if isinstance(password, Secret) else ""


def _create(call: Call, connection: Connection) -> User:
    new = call.body_as(NewUserBody)
    user = NewUser(
        email=new.email,
        name=new.name,
        role=new.role,
        password=call.prepared_as(str),
        agent_id=new.agent_id,
    )
    own = call.principal.role
    return view_of(User, create_user(connection, call.company.id, user, call.actor, own=own))


def _list(call: Call, connection: Connection) -> Page[User]:
    paging = call.query_as(PageQuery)
    found = list_users(connection, call.company.id, limit=paging.limit + 1, after=paging.cursor)
    return page_of(
        list(found), paging.limit, lambda user: view_of(User, user), lambda user: user.id
    )


def _show(call: Call, connection: Connection) -> User:
    return view_of(User, find_user(connection, call.company.id, call.path["id"]))


def _change(call: Call, connection: Connection) -> User:
    given = call.body_as(UserPatch)
    change = UserChange(
        name=None if isinstance(given.name, UnsetType) else given.name,
        role=None if isinstance(given.role, UnsetType) else given.role,
        enabled=None if isinstance(given.enabled, UnsetType) else given.enabled,
        password=call.prepared_as(str) or None,
    )
    user = change_user(
        connection,
        call.company.id,
        call.path["id"],
        change,
        call.actor,
        own=call.principal.role,
    )
    return view_of(User, user)


OPERATIONS = (
    Operation(
        method=Method.POST,
        path="/users",
        name="create_user",
        tag="access",
        summary="Create a user.",
        details="Nobody gives a role above their own.",
        permission=Permission.USERS_WRITE,
        body=NewUserBody,
        answer=User,
        status=201,
        prepare=_hash_new,
        change=_create,
    ),
    Operation(
        method=Method.GET,
        path="/users",
        name="list_users",
        tag="access",
        summary="List the users.",
        permission=Permission.USERS_READ,
        query=PageQuery,
        answer=Page[User],
        read=_list,
    ),
    Operation(
        method=Method.GET,
        path="/users/{id}",
        name="show_user",
        tag="access",
        summary="Show a user.",
        permission=Permission.USERS_READ,
        answer=User,
        read=_show,
    ),
    Operation(
        method=Method.PATCH,
        path="/users/{id}",
        name="change_user",
        tag="access",
        summary="Change, enable or disable a user.",
        details="The last owner cannot be disabled or made anything else.",
        permission=Permission.USERS_WRITE,
        body=UserPatch,
        answer=User,
        prepare=_hash_changed,
        change=_change,
    ),
)
