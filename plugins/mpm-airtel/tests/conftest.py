"""An instance of the plugin, the calls Airtel makes, and what comes of them."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest.mock import create_autospec

import jwt
import pytest

from mpm_airtel.plugin import Airtel
from mpm_airtel.settings import AirtelSettings
from mpm_core import CallContext, Company, InboundCall, PluginRuntime, Secret
from mpm_core.outbound import OutboundClient

NOW = datetime(2026, 1, 8, 12, 0, tzinfo=UTC)
SECRET = "s" * 64
TOKEN = "fixed-token-agreed-at-onboarding"


@pytest.fixture(scope="session")
def company():
    return Company(
        slug="umeme",
        name="Umeme Vijijini",
        country="TZ",
        currency="TZS",
        timezone="Africa/Dar_es_Salaam",
    )


@pytest.fixture(scope="session")
def make_runtime(company):
    def make(*, production=False, company=company):
        http = create_autospec(OutboundClient, instance=True)  # Airtel is never called
        return PluginRuntime(company=company, instance="airtel", http=http, production=production)

    return make


@pytest.fixture(scope="session")
def make_airtel(make_runtime):
    """Return a plugin that knows its callers by a fixed token, unless settings say otherwise."""

    def make(*, production=False, runtime=None, **settings):
        settings = {"mode": "bearer_static", "bearer_token": Secret(TOKEN), **settings}
        return Airtel(AirtelSettings(**settings), runtime or make_runtime(production=production))

    return make


@pytest.fixture(scope="session")
def context():
    return CallContext(
        company="umeme", instance="airtel", correlation_id="c-1", now=NOW, deadline=5.0
    )


@pytest.fixture(scope="session")
def make_call():
    def make(path="c2b/validate", body=b"", headers=None):
        if headers is None:
            headers = {"authorization": f"Bearer {TOKEN}"}
        body = body.encode() if isinstance(body, str) else body
        return InboundCall(method="POST", path=path, headers=headers, body=body, source="192.0.2.7")

    return make


@pytest.fixture(scope="session")
def command():
    """Write the XML of a COMMAND; a field of `None` is left out."""

    def write(**fields):
        children = "".join(f"<{k}>{v}</{k}>" for k, v in fields.items() if v is not None)
        return f"<COMMAND>{children}</COMMAND>"

    return write


@pytest.fixture(scope="session")
def validation(command):
    """Write a good validation with some fields changed."""

    def write(**changes):
        fields = {
            "TYPE": "C2B",
            "CUSTOMERMSISDN": "781234567",
            "MERCHANTMSISDN": "680000001",
            "AMOUNT": "5000",
            "REFERENCE": "SHS00001234",
            "REFERENCE1": "AIR0000000001",
        }
        return command(**{**fields, **changes})

    return write


@pytest.fixture(scope="session")
def sign():
    """Sign claims as Airtel does."""

    def sign_claims(
        claims=None, *, secret=SECRET, algorithm="HS512", txn_id="AIR0000000001", lifetime=300
    ):
        if claims is None:
            claims = {
                "sub": "1",
                "exp": int(NOW.timestamp()) + lifetime,
                "payload": {"txnId": txn_id},
            }
        token = jwt.encode(claims, secret, algorithm=algorithm)
        return {"authorization": f"Bearer {token}"}

    return sign_claims
