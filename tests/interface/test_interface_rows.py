"""The public interface, row by row: what users script against is there, under its name.

The tables below are the interface as it was promised. More may be added to the host; a row here is
changed only when the promise is.
"""

from __future__ import annotations

from importlib.metadata import entry_points, version

import click
import pytest

from mpm_airtel.plugin import Airtel
from mpm_core import PaymentStatus, ReasonCode
from mpm_core.discovery import ENTRY_POINT_GROUP
from mpm_host.actions.action_refusals import ActionCode
from mpm_host.commands import cli
from mpm_host.companies.company_refusals import CompanyCode
from mpm_host.directory import InstanceState
from mpm_host.refusals import RefusalCode
from mpm_host.web.api.all_operations import OPERATIONS
from mpm_host.web.api.description import describe_api
from mpm_host.web.api.problems import ApiCode
from mpm_vodacom.plugin import Vodacom

# --- distributions --------------------------------------------------------------------------------

PLUGINS = {
    "calin": "mpm-calin",
    "sunking": "mpm-sunking",
    "airtel": "mpm-airtel",
    "vodacom": "mpm-vodacom",
}


@pytest.mark.parametrize(("name", "distribution"), PLUGINS.items(), ids=PLUGINS)
def test_plugin_is_found_by_its_name(name, distribution):
    [found] = entry_points(group="mpm_core.plugins", name=name)

    assert found.dist.name == distribution
    assert found.module.partition(".")[0] == distribution.replace("-", "_")


def test_distributions_have_their_names():
    assert version("mpm-payg-core")
    assert version("mpm-host")
    assert ENTRY_POINT_GROUP == "mpm_core.plugins"
    [script] = entry_points(group="console_scripts", name="mpm")
    assert script.dist.name == "mpm-host"


# --- commands -------------------------------------------------------------------------------------

BY = "--by --reason"
COMMANDS = {  # words: its arguments, its options
    "demo": ("", "--json --keep --payments --plugin"),
    "init": ("", ""),
    "db upgrade": ("", ""),
    "db current": ("", ""),
    "serve": ("", "--host --port --no-workers"),
    "worker": ("", "--concurrency"),
    "sandbox": ("", "--port"),
    "company create": ("SLUG", "--name --country --currency --timezone"),
    "company list": ("", "--json"),
    "company show": ("SLUG", "--json"),
    "company enable": ("SLUG INSTANCE", "--use --set --set-env --set-file"),
    "company disable": ("SLUG INSTANCE", ""),
    "company callback-url": ("SLUG INSTANCE", ""),
    "api-key create": ("SLUG", "--name"),
    "api-key revoke": ("SLUG", ""),
    "user create": ("SLUG", "--email --role"),
    "user list": ("SLUG", "--json"),
    "user disable": ("SLUG", ""),
    "plugins": ("", "--requirements"),
    "plugins list": ("", "--company --requirements --json"),
    "plugins show": ("PLUGIN", "--json"),
    "plugins check": ("SLUG INSTANCE", ""),
    "plugins new": ("NAME", "--kind"),
    "import": ("SLUG FILE", "--dry-run"),
    "pay": ("SLUG INSTANCE", "--serial --amount --msisdn"),
    "payments list": ("SLUG", "--status --serial --needs-person --json"),
    "payments show": ("ID", "--json"),
    "payments retry": ("ID", BY),
    "payments release": ("ID", BY),
    "payments resolve": ("ID", f"{BY} --token-file --not-minted"),
    "payments match": ("ID", f"{BY} --serial"),
    "payments reverse": ("ID", BY),
    "payments reissue": ("ID", BY),
    "payments approve": ("ID", BY),
    "messages list": ("SLUG", "--json"),
    "verify": ("SLUG", "--json"),
    "doctor": ("SLUG", "--json"),
}  # fmt: skip
SLUG_IS_OPTIONAL = {"verify", "doctor", "import"}  # import has options that need none


def command_of(words):
    found = cli
    for word in words.split():
        found = found.get_command(click.Context(found), word)
        assert found is not None, f"mpm {words}: there is no {word}"
    return found


@pytest.mark.parametrize(("words", "row"), COMMANDS.items(), ids=COMMANDS)
def test_command_takes_what_its_row_says(words, row):
    arguments, options = row
    parameters = command_of(words).params

    taken = [each for each in parameters if isinstance(each, click.Argument)]
    assert [
        each.make_metavar(click.Context(cli)).strip("[]") for each in taken
    ] == arguments.split()
    assert all(each.required for each in taken) == (words not in SLUG_IS_OPTIONAL or not taken)
    known = {name for each in parameters for name in each.opts}
    assert set(options.split()) <= known


def test_the_configuration_is_named_by_an_option_of_every_command():
    assert "--config" in {name for each in cli.params for name in each.opts}


def test_payments_are_listed_by_every_status():
    [option] = [each for each in command_of("payments list").params if "--status" in each.opts]

    assert list(option.type.choices) == [
        "validated", "rejected", "token_pending", "unknown", "held", "unmatched", "settled",
        "reversed", "denied",
    ]  # fmt: skip
    assert list(option.type.choices) == list(PaymentStatus)


# --- HTTP -----------------------------------------------------------------------------------------

TERMS = (
    "cost sold_on down_payment instalments instalment_cost price_per_day minimum_payment period "
    "first_due_on"
)
BODIES = {  # request: what its body must have at least, what it may have
    "POST /clusters": ("name", ""),
    "POST /mini-grids": ("name cluster_id", ""),
    "POST /villages": ("name mini_grid_id", ""),
    "POST /tariffs": ("name price_per_kwh", "minimum_purchase components access_rate"),
    "POST /appliances": ("name kind price", ""),
    "POST /registrations": (
        "request_id customer village_id device", "tariff_id sale registered_on"
    ),
    "POST /customers": ("name surname phone village_id", ""),
    "PATCH /devices/{id}": ("", "customer_id tariff_id village_id"),
    "POST /sales": ("customer_id appliance_id", f"device_serial {TERMS}"),
    "POST /payments/{id}/retry": ("reason", ""),
    "POST /payments/{id}/release": ("reason", ""),
    "POST /payments/{id}/resolve": ("reason", ""),
    "POST /payments/{id}/match": ("reason serial", ""),
    "POST /payments/{id}/resend-message": ("reason", ""),
    "POST /payments/{id}/reverse": ("reason", ""),
    "POST /payments/{id}/reissue": ("reason", ""),
    "POST /payments/{id}/approve": ("reason", ""),
    "POST /cash-payments": ("amount", "serial sale_id"),
    "POST /devices/{id}/tokens": ("amount unit reason", ""),
    "POST /sessions": ("email password", ""),
    "POST /elevations": ("password", ""),
    "POST /api-keys": ("name role", ""),
    "POST /pushes": ("instance amount msisdn", "serial"),
    "PUT /plugins/{instance}": ("", "enabled use settings"),
    "POST /companies": ("name country currency owner protected_password", "plugins"),
    "PATCH /tariffs/{id}": ("", ""),
    "PATCH /sales/{id}": ("", ""),
    "PATCH /sales/{id}/rows/{number}": ("", ""),
    "POST /sales/{id}/reschedule": ("", ""),
}  # fmt: skip
WITHOUT_BODY = {  # request: what its query may have
    "GET /customers/{id}": "",
    "GET /payments": "status serial needs_person cursor",
    "GET /payments/{id}": "",
    "DELETE /sales/{id}": "",
    "POST /imports": "",
    "GET /exports/payments": "",
    "GET /exports/tokens": "",
    "GET /exports/debts": "",
    "GET /users": "",
    "GET /api-keys": "",
    "GET /audit": "",
    "GET /checklist": "",
    "GET /manufacturers": "",
    "GET /plugins": "",
    "DELETE /plugins/{instance}": "",
}


@pytest.fixture(scope="module")
def description():
    return describe_api(OPERATIONS, "http://127.0.0.1:8000")


@pytest.fixture(scope="module")
def described(description):
    def find(request):
        method, path = request.split()
        return description["paths"][f"/api/v1{path}"][method.lower()]

    return find


@pytest.fixture(scope="module")
def schema(description):
    return lambda name: description["components"]["schemas"][name]


@pytest.mark.parametrize(("request_line", "row"), BODIES.items(), ids=BODIES)
def test_body_takes_what_its_row_says(described, schema, request_line, row):
    required, optional = (set(names.split()) for names in row)
    content = described(request_line)["requestBody"]["content"]["application/json"]["schema"]
    body = schema(content["$ref"].rpartition("/")[2])

    assert required <= set(body.get("required", ()))
    assert not optional & set(body.get("required", ()))
    assert required | optional <= set(body["properties"])
    assert body["additionalProperties"] is False  # unknown fields are refused


@pytest.mark.parametrize(("request_line", "query"), WITHOUT_BODY.items(), ids=WITHOUT_BODY)
def test_request_takes_the_query_its_row_says(described, request_line, query):
    parameters = described(request_line)["parameters"]

    assert set(query.split()) <= {each["name"] for each in parameters if each["in"] == "query"}


def test_every_post_takes_an_idempotency_key(description):
    posts = [methods["post"] for methods in description["paths"].values() if "post" in methods]

    assert len(posts) > 30
    for post in posts:
        assert "Idempotency-Key" in {each["name"] for each in post["parameters"]}


def test_a_payment_has_the_promised_fields(schema):
    promised = {
        "Payment": "id instance reference receipt serial msisdn amount currency status "
        "needs_person reason conflict lines tokens messages attempts calculation events",
        "Line": "kind amount refers_to",
        "Token": "kind value delivery quantity unit device_serial issued_at",
        "Message": "to body status",
        "Attempt": "at outcome detail",
    }

    for name, fields in promised.items():
        assert set(fields.split()) <= set(schema(name)["required"])


def test_a_registration_answers_customer_and_device_with_its_mapping(schema):
    assert {"customer", "device"} <= set(schema("Registration")["required"])
    assert "mapping" in schema("Device")["required"]


# --- words ----------------------------------------------------------------------------------------

REASONS = [
    "unknown_serial",
    "device_unassigned",
    "amount_invalid",
    "amount_below_minimum",
    "amount_above_maximum",
    "no_tariff",
    "no_price",
    "no_plan",
    "plan_already_settled",
    "duplicate_reference",
    "duplicate_serial",
    "village_required",
    "tariff_required",
    "tariff_forbidden",
    "plugin_not_enabled",
    "plugin_unavailable",
    "operation_not_supported",
    "managed_by_configuration",
    "plan_open",
]


@pytest.mark.parametrize("reason", REASONS)
def test_reason_is_a_code_of_ours(reason):
    codes = (ReasonCode, RefusalCode, ApiCode, CompanyCode, ActionCode)

    assert reason in {code.value for each in codes for code in each}


def test_words_of_states_are_the_promised_ones(schema):
    assert set(InstanceState) == {"unconfigured", "enabled", "disabled", "removed"}
    assert set(schema("PushStatus")["enum"]) == {"requested", "unknown", "paid", "failed"}
    assert set(schema("AdHocUnit")["enum"]) == {"currency", "kWh", "days"}
    assert set(schema("ApplianceKind")["enum"]) == {"shs", "e_bike", "other"}
    assert set(schema("DeviceKind")["enum"]) == {"meter", "shs", "e_bike"}


@pytest.mark.parametrize(
    ("plugin", "paths"),
    [
        (Airtel, {"c2b/validate", "c2b/process", "c2b/enquiry"}),
        (Vodacom, {"transactions/validate", "transactions/process", "transactions/query"}),
    ],
    ids=["airtel", "vodacom"],
)
def test_telecoms_call_these_paths(plugin, paths):
    assert set(plugin.manifest.callback_paths) == paths
