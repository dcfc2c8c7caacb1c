"""What of the vendor's words reaches an error."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from unittest.mock import create_autospec

import pytest

from mpm_angaza.client import AngazaClient
from mpm_angaza.settings import AngazaSettings
from mpm_core import Answer, CallContext, Company, PluginRuntime, Refused, Secret
from mpm_core.outbound import OutboundClient

SETTINGS = AngazaSettings(
    api_url="https://nexus.angaza.example/nexus/v1",
    client_id="umeme",
    client_secret=Secret("s3cret"),
)
COMPANY = Company(
    slug="umeme", name="Umeme", country="TZ", currency="TZS", timezone="Africa/Dar_es_Salaam"
)
CONTEXT = CallContext(
    company="umeme",
    instance="angaza",
    correlation_id="c-1",
    now=datetime(2026, 2, 8, tzinfo=UTC),
    deadline=5.0,
)
BASIC = b64encode(b"umeme:s3cret").decode()


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        pytest.param("Bad login umeme:s3cret", "Bad login umeme:••••••", id="secret"),
        pytest.param(f"Bad login Basic {BASIC}", "Bad login Basic ••••••", id="as it was sent"),
        pytest.param(f"{'x' * 197}{BASIC}", f"{'x' * 197}•••", id="where it would be cut"),
    ],
)
def test_a_refusal_repeats_no_secret_of_ours(reason, shown):
    http = create_autospec(OutboundClient, instance=True)
    body = json.dumps({"context": {"reason": reason}}).encode()
    http.request.return_value = Answer(status=400, body=body)
    client = AngazaClient(SETTINGS, PluginRuntime(company=COMPANY, instance="angaza", http=http))
    with pytest.raises(Refused) as refused:
        client.credit("SERIAL-123", CONTEXT)
    assert (refused.value.code, str(refused.value)) == (shown, shown)
