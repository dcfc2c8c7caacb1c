"""M-14: a vendor's answer names another device than it was asked for."""

from __future__ import annotations

import contextlib

import pytest

from mpm_core import (
    ContractViolation,
    Grant,
    OutcomeUnknown,
    Secret,
    SimulatedReply,
    Unit,
    hookimpl,
)
from mpm_core.simulation.server import serve
from tests.core.plugin_builders import generate, http, loaded, manifest, plugins

OTHER = Grant(codes=(Secret("1234"),), quantity=7600, unit=Unit.WATT_HOUR, device_serial="48")
WHOSE = "Plugin calin (mpm-calin 1.2), instance south of company umeme: mpm_generate_token"


class Vendor:
    """Answers anything."""

    def handle(self, _request):
        return SimulatedReply(body=b"{}")


class HandingOn:
    """Hands on what the vendor's answer names, as `Grant.device_serial` asks."""

    manifest = manifest()

    def __init__(self, _settings, runtime):
        self._http = runtime.http

    @hookimpl
    def mpm_generate_token(self, context):
        self._http.request("POST", VENDOR_URL[0], context=context, json={})
        return OTHER


class MakingUp(HandingOn):
    """Asked nobody, so the other device is its own invention."""

    @hookimpl
    def mpm_generate_token(self):
        return OTHER


VENDOR_URL = [""]


@pytest.fixture
def dispatch_of():
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serve({"vendor": Vendor()}))
        VENDOR_URL[0] = f"{server.url}/vendor"

        def make(plugin_class):
            return stack.enter_context(
                contextlib.closing(plugins(loaded(plugin_class, client=http(server.url))))
            )

        yield make


def test_the_vendors_answer_about_another_device_is_kept_as_evidence_and_blames_nobody(dispatch_of):
    with pytest.raises(OutcomeUnknown) as caught:
        generate(dispatch_of(HandingOn))

    assert caught.value.evidence == OTHER
    assert str(caught.value) == (
        f"{WHOSE} brought an answer about another device than it was asked for. Its code is kept"
        " out of sight and never used; ask the vendor."
    )


def test_another_device_without_any_answer_of_a_vendor_is_the_authors_fault(dispatch_of):
    with pytest.raises(ContractViolation) as caught:
        generate(dispatch_of(MakingUp))

    assert str(caught.value) == (
        f"{WHOSE} answered wrongly: the grant names another device than it was asked for. Nothing"
        " happened; the plugin's author must fix it."
    )
