"""The OpenAPI document is true: what is fuzzed along it never fails and never surprises."""

from __future__ import annotations

import itertools
import json
import re
import shutil

import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from litestar.testing import TestClient
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from host.tests.api.conftest import PLUGINS, Installation, MovableClock
from host.tests.api.worlds import Shop
from mpm_host.configuration.config import parse_config
from mpm_host.configuration.config_values import ConfigSource
from mpm_host.encryption import new_key
from mpm_host.host import Host
from mpm_host.services import Services
from mpm_host.web.api.all_operations import OPERATIONS
from mpm_host.web.api.description import describe_api

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]


@pytest.fixture(scope="module")
def fuzzed(sqlite_template, tmp_path_factory):
    """One installation for all operations, with a shop whose things can be named."""
    folder = tmp_path_factory.mktemp("fuzzed")
    shutil.copyfile(sqlite_template, folder / "mpm.db")
    text = (
        f'[host]\ndatabase = "sqlite:///{folder}/mpm.db"\nsecret_key = "{new_key()}"\n'
        'allowed_plugins = ["calin", "sunking", "airtel"]\nmode = "development"\n'
    )
    source = ConfigSource(file_name="mpm.toml", folder=folder, environ={})
    clock = MovableClock()
    with Host.open(parse_config(text, source), clock=clock) as host:
        host.reconcile()
        services = Services(host, workers=False)
        with TestClient(services.application()) as client:
            installation = Installation(host, services, client, clock)
            api = installation.company("umeme", PLUGINS)
            api.stranger = None
            installation.elevate_everybody()
            yield api, known_things(installation, Shop(api))
        services.close()


def known_things(installation, shop):
    """Real ids, by the name of the field or of the path that holds them."""
    meter = shop.meter(tariff_id=shop.tariff())
    sale = shop.television(cost="1000", instalments=5)
    payment = installation.pay("47001234567", "1000", "OM-1")
    villages = shop.api.ok("GET", "/villages")["items"][0]
    grid = shop.api.ok("GET", "/mini-grids")["items"][0]
    users = {"email": "b@example.com", "name": "B", "role": "finance", "password": "a horse, b"}
    return {
        "cluster_id": grid["cluster_id"],
        "mini_grid_id": grid["id"],
        "village_id": villages["id"],
        "customer_id": meter["customer"]["id"],
        "tariff_id": meter["device"]["tariff_id"],
        "appliance_id": sale["appliance_id"],
        "clusters": grid["cluster_id"],
        "mini-grids": grid["id"],
        "villages": villages["id"],
        "customers": meter["customer"]["id"],
        "devices": meter["device"]["id"],
        "tariffs": meter["device"]["tariff_id"],
        "appliances": sale["appliance_id"],
        "sales": sale["id"],
        "payments": payment,
        "users": shop.api.ok("POST", "/users", users)["id"],
        "agents": (agent := known_agent(shop.api, grid["id"], sale["appliance_id"])),
        "agent_id": agent,
    }


def known_agent(api, grid, appliance):
    """An agent who may sell something, and who holds the cash of a payment."""
    body = {
        "name": "Juma",
        "phone": "0755000001",
        "mini_grid_id": grid,
        "commission_rate": "0.1",
        "risk_balance": "100000",
    }
    agent = api.ok("POST", "/agents", body)["id"]
    given = {"appliance_id": appliance, "price": "1000"}
    api.ok("POST", f"/agents/{agent}/appliances", given)
    cash = {"serial": "47001234567", "amount": "1000", "agent_id": agent}
    api.ok("POST", "/cash-payments", cash)
    return agent


def without_security(document):
    """Every request proves who it is: what happens otherwise is tested elsewhere."""
    for methods in document["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)
    return {name: part for name, part in document.items() if name != "security"}


SCHEMA = schemathesis.openapi.from_dict(
    without_security(
        json.loads(msgspec.json.encode(describe_api(OPERATIONS, "http://testserver.local")))
    )
)
DESCRIBED = [found.ok() for found in SCHEMA.get_all_operations()]
numbers = itertools.count()


def can_be_wrong(operation):
    raw = operation.definition.raw
    return bool(raw["parameters"] or "requestBody" in raw)


CASES = [
    pytest.param(operation, mode, id=f"{mode.value} {operation.label}")
    for mode in GenerationMode
    for operation in DESCRIBED
    if mode is GenerationMode.POSITIVE or can_be_wrong(operation)
]


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_no_request_surprises(fuzzed, operation, mode):
    api, ids = fuzzed

    @settings(
        max_examples=8,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def no_request_surprises(case):
        is_free = mode is GenerationMode.POSITIVE and operation.method != "delete"
        if is_free and next(numbers) % 2:
            name_what_is_there(case, ids)  # every other request is about what there is
        headers = {"Authorization": f"Bearer {api.bearer}"}
        case.validate_response(send(api, case, headers), checks=CHECKS, headers=headers)

    no_request_surprises()


def send(api, case, headers):
    """Send a case through the client that the other tests use."""
    request = requests.Request(
        **case.as_transport_kwargs(base_url="http://testserver.local", headers=headers)
    ).prepare()
    return api.client.request(
        request.method, request.url, headers=dict(request.headers), content=request.body
    )


def name_what_is_there(case, ids):
    resource = case.path.split("/")[3]
    if "id" in case.path_parameters and resource in ids:
        case.path_parameters["id"] = ids[resource]
    if isinstance(case.body, dict):
        for name in case.body.keys() & ids.keys():
            case.body[name] = ids[name]


def test_every_operation_is_described_once(fuzzed):
    api, _ = fuzzed
    document = api.client.get("/openapi.json").json()
    described = {
        (method.upper(), path): operation["operationId"]
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert described == {
        (each.method.value, f"/api/v1{each.path}"): each.name for each in OPERATIONS
    }
    assert len({each.name for each in OPERATIONS}) == len(OPERATIONS)


@pytest.fixture(scope="module")
def document():
    return json.loads(msgspec.json.encode(describe_api(OPERATIONS, "http://testserver.local")))


def test_the_description_is_valid_openapi(document):
    OpenAPIV31SpecValidator(document).validate()


def test_patterns_end_as_json_schema_has_it(document):
    amount = document["components"]["schemas"]["NewCashPayment"]["properties"]["amount"]
    assert amount["pattern"] == r"^-?[0-9]{1,13}(\.[0-9]{1,4})?$"
    assert r"\\Z" not in json.dumps(document)


def objects_in(part, place=""):
    """Return every schema of an object with its place."""
    if isinstance(part, dict):
        if part.get("type") == "object":
            yield place, part
        for name, each in part.items():
            yield from objects_in(each, f"{place}/{name}")
    elif isinstance(part, list):
        for number, each in enumerate(part):
            yield from objects_in(each, f"{place}/{number}")


def test_a_client_can_be_generated_without_inventing_or_repeating_a_name(document):
    """Titles become classes: `Page[Sale]` is written `PageSale`, as generators do."""
    titles = [(part.get("title"), place) for place, part in objects_in(document)]
    assert [place for title, place in titles if title is None] == []
    classes = [re.sub(r"\W|_", "", title).lower() for title, _ in titles]
    assert sorted(classes) == sorted(set(classes))


def test_a_query_is_parameters_and_no_schema(document):
    queries = {each.query.__name__ for each in OPERATIONS if each.query is not None}
    assert queries.isdisjoint(document["components"]["schemas"])


def test_the_page_for_people_needs_nobody_elses_server(fuzzed):
    api, _ = fuzzed
    page = api.client.get("/docs").text
    assert "http" not in page.replace("/api/v1", "")
    assert "<script" not in page
    assert "POST /api/v1/registrations" in page
