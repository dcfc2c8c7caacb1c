"""An instance of the plugin, the calls Vodacom makes, and what comes of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from unittest.mock import create_autospec

import pytest

from mpm_core import CallContext, Company, InboundCall, PluginRuntime, Secret
from mpm_core.outbound import OutboundClient
from mpm_vodacom.plugin import Vodacom
from mpm_vodacom.settings import VodacomSettings

NOW = datetime(2026, 1, 8, 12, 0, tzinfo=UTC)
KEY = "key-agreed-with-vodacom"


@pytest.fixture(scope="session")
def make_runtime():
    def make(*, country="MZ", currency="MZN"):
        company = Company(
            slug="luz", name="Luz", country=country, currency=currency, timezone="Africa/Maputo"
        )
        http = create_autospec(OutboundClient, instance=True)  # Vodacom is never called
        return PluginRuntime(company=company, instance="vodacom", http=http)

    return make


@pytest.fixture(scope="session")
def make_vodacom(make_runtime):
    def make(*, runtime=None, **settings):
        settings = {"api_key": Secret(KEY), **settings}
        return Vodacom(VodacomSettings(**settings), runtime or make_runtime())

    return make


@pytest.fixture(scope="session")
def vodacom(make_vodacom):
    return make_vodacom()


@pytest.fixture(scope="session")
def context():
    return CallContext(
        company="luz", instance="vodacom", correlation_id="c-1", now=NOW, deadline=5.0
    )


@pytest.fixture(scope="session")
def make_call():
    """Make a call with the good key, unless headers are given; bodies may be plain dicts."""

    def make(path, body=b"", headers=None):
        if headers is None:
            headers = {"authorization": f"Bearer {KEY}"}
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        return InboundCall(method="POST", path=path, headers=headers, body=body, source="192.0.2.7")

    return make


@pytest.fixture(scope="session")
def validation():
    """Return a good validation with some members changed; `None` leaves one out."""

    def write(**changes):
        members = {
            "reference": "SHS00001234",
            "amount": 100,
            "request_id": "5b0f0c9e-8d1f-4d0e-9a53-0c9f0f6e2a11",
            **changes,
        }
        return {name: value for name, value in members.items() if value is not None}

    return write
