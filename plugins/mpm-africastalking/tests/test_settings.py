from __future__ import annotations

import re

import pytest

from mpm_africastalking.plugin import AfricasTalking
from mpm_africastalking.settings import LIVE_URL, SANDBOX_URL, AfricasTalkingSettings
from mpm_core import Company, PluginKind, PluginRuntime, SettingsError
from mpm_core.discovery.plugin_checks import check_plugin_class
from mpm_core.outbound import OutboundClient

KEY = {"api_key": "k"}
COMPANY = Company(
    slug="umeme", name="Umeme", country="KE", currency="KES", timezone="Africa/Nairobi"
)


def test_the_class_passes_the_checks_at_load():
    check_plugin_class(AfricasTalking)


def test_the_manifest_says_what_a_messenger_does():
    manifest = AfricasTalking.manifest
    assert manifest.kind is PluginKind.MESSENGER
    assert (manifest.callback_paths, manifest.url_settings) == (("delivery",), ("api_url",))


@pytest.mark.parametrize(
    ("given", "sandbox"),
    [
        pytest.param({"username": "umeme"}, False, id="live"),
        pytest.param({"username": "sandbox", "api_url": SANDBOX_URL}, True, id="sandbox"),
        pytest.param({"username": "sandbox", "api_url": "http://127.0.0.1"}, False, id="simulator"),
    ],
)
def test_sandbox_and_live_are_told_apart(given, sandbox):
    assert AfricasTalkingSettings(**KEY, **given).is_sandbox is sandbox


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param(
            {"username": "umeme", "api_url": f"{SANDBOX_URL}/"},
            "username 'umeme' belongs to the live API, but api_url is the sandbox; write username "
            "= 'sandbox' or leave out api_url.",
            id="live name at the sandbox",
        ),
        pytest.param(
            {"username": "sandbox"},
            "username 'sandbox' belongs to the sandbox, but api_url is the live API; write api_url "
            f"= '{SANDBOX_URL}' or the application's own user name.",
            id="sandbox name at the live API",
        ),
    ],
)
def test_a_name_of_the_other_side_is_refused(given, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        AfricasTalkingSettings(**KEY, **given)


@pytest.mark.parametrize("sender_id", ["", "-", "A" * 12, "1" * 16, "a;b", "ñandu"])
def test_a_sender_id_no_network_takes_is_refused(sender_id):
    with pytest.raises(ValueError, match=r"^setting 'sender_id' must match "):
        AfricasTalkingSettings(**KEY, username="umeme", sender_id=sender_id)


@pytest.mark.parametrize("sender_id", ["UMEME", "Umeme Solar", "22384", "254711000000"])
def test_a_sender_id_may_be_a_name_or_a_short_code(sender_id):
    AfricasTalkingSettings(**KEY, username="umeme", sender_id=sender_id)


def test_production_refuses_the_sandbox():
    settings = AfricasTalkingSettings(**KEY, username="sandbox", api_url=SANDBOX_URL)
    http = OutboundClient(allowed_hosts=(SANDBOX_URL,))
    runtime = PluginRuntime(company=COMPANY, instance="sms", http=http, production=True)
    with pytest.raises(SettingsError) as refused:
        AfricasTalking(settings, runtime)
    assert str(refused.value) == (
        "Company 'umeme', instance 'sms': the sandbox delivers to nobody's phone; leave out "
        "api_url and give the live application's username and api_key."
    )


def test_production_takes_the_live_api():
    http = OutboundClient(allowed_hosts=(LIVE_URL,))
    runtime = PluginRuntime(company=COMPANY, instance="sms", http=http, production=True)
    assert AfricasTalking(AfricasTalkingSettings(**KEY, username="umeme"), runtime)
