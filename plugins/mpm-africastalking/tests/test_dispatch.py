"""The plugin as the host calls it: checked, contained and attributed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mpm_africastalking.plugin import AfricasTalking
from mpm_core import (
    Company,
    Decision,
    DeliveryReport,
    InboundCall,
    Malformed,
    Message,
    MessageStatus,
    Msisdn,
    Refused,
    Verdict,
)
from mpm_core.company_plugins import CompanyPlugins, LoadedInstance, PluginIdentity

COMPANY = Company(
    slug="umeme", name="Umeme", country="KE", currency="KES", timezone="Africa/Nairobi"
)
MESSAGE = Message(key="0" * 32, to=Msisdn.from_e164("+254711082300"), body="Token 1234")


@pytest.fixture
def plugins(plugin):
    loaded = LoadedInstance(
        name="sms",
        plugin=PluginIdentity(
            name="africastalking", distribution="mpm-africastalking", version="0.1.0"
        ),
        manifest=AfricasTalking.manifest,
        instance=plugin,
        company=COMPANY,
    )
    plugins = CompanyPlugins(COMPANY, [loaded], clock=lambda: datetime(2026, 1, 15, tzinfo=UTC))
    yield plugins
    plugins.close()


def test_a_receipt_passes_the_dispatch(plugins):
    receipt = plugins.send_message("sms", MESSAGE, correlation_id="c-1")
    assert (receipt.status, receipt.cost) == (MessageStatus.SENT, "KES 0.8000")


def test_a_refusal_is_attributed(plugins, simulator):
    simulator.set_fault("blacklisted")
    with pytest.raises(Refused) as refused:
        plugins.send_message("sms", MESSAGE, correlation_id="c-1")
    assert str(refused.value.attribution) == (
        "plugin africastalking (mpm-africastalking 0.1.0), hook mpm_send_message, company umeme, "
        "instance sms, correlation c-1"
    )


def test_a_delivery_report_passes_the_dispatch(plugins):
    call = InboundCall(
        method="POST",
        path="delivery",
        headers={},
        body=b"id=ATXid_1&status=Success",
        source="1.2.3.4",
    )
    request = plugins.read_call("sms", call, correlation_id="c-1")
    assert request == DeliveryReport(
        reference="ATXid_1", status=MessageStatus.DELIVERED, detail="Success"
    )
    verdict = Verdict(decision=Decision.NOTED)
    assert plugins.write_reply("sms", call, request, verdict, correlation_id="c-1").status == 200


def test_a_malformed_report_passes_the_dispatch(plugins):
    call = InboundCall(method="POST", path="delivery", headers={}, body=b"", source="1.2.3.4")
    with pytest.raises(Malformed):
        plugins.read_call("sms", call, correlation_id="c-1")
