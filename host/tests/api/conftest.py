"""Fixtures: an opened host on a real database, reached through its own web application."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from litestar.testing import TestClient

from mpm_core import Secret
from mpm_host.access.key_store import create_key
from mpm_host.access.login import set_protected_password
from mpm_host.access.passwords import hash_password
from mpm_host.access.roles import Role
from mpm_host.audit_trail import Actor
from mpm_host.config import parse_config
from mpm_host.config_values import ConfigSource
from mpm_host.encryption import new_key
from mpm_host.host import Host
from mpm_host.instance_settings import InstanceTable
from mpm_host.services import Services

PROTECTED = "behind the curtain"
PROTECTED_HASH = hash_password(Secret(PROTECTED))
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PLUGINS = {
    "calin": {"api_url": "http://127.0.0.1:9/calin", "user_id": "u", "api_key": "calin-secret"},
    "sunking": {
        "auth_url": "http://127.0.0.1:9/auth",
        "api_url": "http://127.0.0.1:9/sunking",
        "client_id": "c",
        "client_secret": "sunking-secret",
    },
}


class MovableClock:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now

    def move(self, **duration):
        self.now += timedelta(**duration)


class Api:
    """The API as one company's key sees it."""

    def __init__(self, client, bearer=None):
        self.client = client
        self.bearer = bearer

    def __call__(self, method, path, body=None, *, headers=None, **query):
        given = dict(headers or {})
        if self.bearer is not None:
            given.setdefault("Authorization", f"Bearer {self.bearer}")
        return self.client.request(
            method,
            f"/api/v1{path}",
            json=body,
            headers=given,
            params={name: value for name, value in query.items() if value is not None},
        )

    def ok(self, method, path, body=None, **more):
        """Return what a request that must succeed answers."""
        answer = self(method, path, body, **more)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def refused(self, method, path, body=None, **more):
        """Return status and code of a request that must be refused, checking its shape."""
        answer = self(method, path, body, **more)
        assert not answer.is_success, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["type"] == f"urn:mpm:problem:{problem['code']}"
        return answer.status_code, problem["code"]

    def as_(self, bearer):
        return Api(self.client, bearer)


class Installation:
    """A host with its application, and short ways to make companies and keys."""

    def __init__(self, host, services, client, clock):
        self.host = host
        self.services = services
        self.client = client
        self.clock = clock
        self.public = Api(client)

    @property
    def actor(self):
        return Actor(name="tests", at=self.clock())

    def company(self, slug="umeme", plugins=()):
        details = {"name": slug.title(), "country": "TZ", "currency": "TZS"}
        self.host.companies.create(slug, details, self.actor)
        for name in plugins:
            table = InstanceTable.split(PLUGINS[name])
            self.host.companies.enable(slug, name, name, table, self.actor)
        return self.key(slug)

    def key(self, slug="umeme", role=Role.OWNER, name=None):
        company = self.host.house.directory.by_slug[slug]
        with self.host.engines.write.begin() as connection:
            key = create_key(
                connection, company.id, name or f"{role} {self.clock()}", role, self.actor,
                own=Role.OWNER,
            )  # fmt: skip
        return Api(self.client, key.bearer.reveal())

    def protect(self, slug="umeme"):
        company = self.host.house.directory.by_slug[slug]
        with self.host.engines.write.begin() as connection:
            set_protected_password(connection, company.id, PROTECTED_HASH, self.actor)

    def audit(self, api):
        return api.ok("GET", "/audit", limit=200)["items"]


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
def config_text(database_url):
    return (
        "[host]\n"
        f'database = "{database_url}"\n'
        'allowed_plugins = ["calin", "sunking", "airtel", "vodacom"]\n'
        f'secret_key = "{new_key()}"\n'
        'mode = "development"\n'
    )


@pytest.fixture
def installation(config_text, clock, tmp_path):
    source = ConfigSource(file_name="mpm.toml", folder=tmp_path, environ={})
    with Host.open(parse_config(config_text, source), clock=clock) as host:
        host.reconcile()
        services = Services(host, workers=False)
        with TestClient(services.application(), raise_server_exceptions=True) as client:
            yield Installation(host, services, client, clock)
        services.close()


@pytest.fixture
def umeme(installation):
    """An owner's API in company umeme, with calin and sunking."""
    return installation.company("umeme", PLUGINS)
