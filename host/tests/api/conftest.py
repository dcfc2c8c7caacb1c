"""Fixtures: an opened host on a real database, reached through its own web application."""

from __future__ import annotations

import itertools
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from litestar.testing import TestClient

from mpm_core import Money, Msisdn, ProcessRequest, Reply, Secret
from mpm_host.access.key_store import create_key
from mpm_host.access.login import set_protected_password
from mpm_host.access.passwords import hash_password
from mpm_host.access.roles import Role
from mpm_host.agents.agent_store import create_agent
from mpm_host.agents.agent_values import NewAgent
from mpm_host.companies.audit_trail import Actor
from mpm_host.configuration.config import parse_config
from mpm_host.configuration.config_values import ConfigSource
from mpm_host.database.access_tables import api_keys
from mpm_host.encryption import new_key
from mpm_host.host import Host
from mpm_host.payments.booking import Accept, Book
from mpm_host.plugins.instance_settings import InstanceTable
from mpm_host.registration.places import create_cluster, create_mini_grid
from mpm_host.services import Services
from tests.support.shared_application import shared_application

PROTECTED = "behind the curtain"
PROTECTED_HASH = hash_password(Secret(PROTECTED))
CATALOGS = {}
NEIGHBOUR = {"name": "Jirani", "country": "TZ", "currency": "TZS"}
NAMES_AN_ID = re.compile(r"""(?<=["/])[0-9a-f]{32}(?=["/ ])""")
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
    """The API as one bearer sees it.

    Whatever succeeds and names something by its id, in the path or the body, is first tried with
    the key of another company, for which it must not exist.
    """

    def __init__(self, client, bearer=None, stranger=None):
        self.client = client
        self.bearer = bearer
        self.stranger = stranger

    def __call__(self, method, path, body=None, *, headers=None, content=None, **query):
        given = dict(headers or {})
        if self.bearer is not None:
            given.setdefault("Authorization", f"Bearer {self.bearer}")
        params = {name: value for name, value in query.items() if value is not None} or None

        def send(headers):
            payload = {"content": content} if content is not None else {"json": body}
            return self.client.request(
                method, f"/api/v1{path}", headers=headers, params=params, **payload
            )

        foreign = None
        if self.stranger is not None and NAMES_AN_ID.search(f"{path} {json.dumps(body)}"):
            foreign = send(given | {"Authorization": f"Bearer {self.stranger}"})
        answer = send(given)
        if foreign is not None and answer.is_success:
            assert foreign.status_code == 404, f"a stranger got {foreign.text}"
            assert foreign.json()["code"].startswith("unknown_")
        return answer

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
        return Api(self.client, bearer, self.stranger)


class Installation:
    """A host with its application, and short ways to make companies and keys."""

    def __init__(self, host, services, client, clock):
        self.host = host
        self.services = services
        self.client = client
        self.clock = clock
        self._numbers = itertools.count(1)
        self.stranger = self._make_stranger()
        self.public = Api(client, stranger=self.stranger)

    def _make_stranger(self):
        """Make another company with everything allowed, for which nothing else exists."""
        self.host.companies.create("jirani", NEIGHBOUR, self.actor)
        key = self._new_key("jirani", Role.OWNER, "stranger")
        self.elevate_everybody()
        return key

    def elevate_everybody(self):
        """Let every key there is read protected data, for as long as a test can last."""
        until = START + timedelta(days=3650)
        with self.host.engines.write.begin() as connection:
            connection.execute(sa.update(api_keys).values(elevated_until=until))

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
        bearer = self._new_key(slug, role, name or f"{role} {next(self._numbers)}")
        return Api(self.client, bearer, self.stranger)

    def _new_key(self, slug, role, name):
        company = self.host.house.directory.by_slug[slug]
        agent_id = self.agent(slug) if role is Role.AGENT else None
        with self.host.engines.write.begin() as connection:
            key = create_key(
                connection,
                company.id,
                name,
                role,
                self.actor,
                own=Role.OWNER,
                agent_id=agent_id,
            )
        return key.bearer.reveal()

    def agent(self, slug="umeme"):
        """Make an agent in a mini-grid of their own, and return the id."""
        company = self.host.house.directory.by_slug[slug]
        number, now = next(self._numbers), self.clock()
        with self.host.engines.write.begin() as connection:
            cluster = create_cluster(connection, company, f"Cluster {number}", now)
            new = NewAgent(
                name=f"Agent {number}",
                phone=f"07550{number:05}",
                mini_grid_id=create_mini_grid(connection, company, cluster, "Grid", now),
                commission_rate="0.1",
                risk_balance=Money.parse("1000", "TZS"),
            )
            return create_agent(connection, company, new, self.actor).id

    def protect(self, slug="umeme"):
        company = self.host.house.directory.by_slug[slug]
        with self.host.engines.write.begin() as connection:
            set_protected_password(connection, company.id, PROTECTED_HASH, self.actor)

    def pay(self, serial, amount, reference, slug="umeme"):
        """Book a payment as a telecom's process call does, and return its id."""
        directory = self.host.house.directory
        company = directory.by_slug[slug]
        airtel = directory.instance_named(company.id, "airtel")
        if airtel is None:
            airtel = self.host.companies.choose(slug, "airtel", self.actor)
        book = Book(
            vault=self.host.vault, clock=self.clock, directory=lambda: self.host.house.directory
        )
        command = Accept(
            instance=airtel,
            request=ProcessRequest(
                reference=reference,
                serial=serial,
                amount=Money.parse(amount, "TZS"),
                payer=Msisdn.parse("0712345678", "TZ"),
            ),
            reply=Reply(status=200, content_type="text/plain", body=b"ok"),
        )
        with self.host.engines.write.begin() as connection:
            [outcome] = book(connection, [command])
        return outcome.payment.id

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
        # which plugins are installed is read from files, and the same for every test
        house = host.house
        house.catalog = CATALOGS.setdefault(house.catalog.allowed, house.catalog)
        host.reconcile()
        services = Services(host, workers=False)
        with shared_application(services) as application, TestClient(application) as client:
            yield Installation(host, services, client, clock)
        services.close()


@pytest.fixture
def umeme(installation):
    """An owner's API in company umeme, with calin and sunking."""
    return installation.company("umeme", PLUGINS)
