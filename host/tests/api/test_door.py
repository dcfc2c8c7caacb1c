"""The door: strict bodies, problems, idempotency keys, pages, and who may do what."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from host.tests.api.worlds import Shop
from mpm_host.access.roles import PERMISSIONS, Role
from mpm_host.database import tables as t
from mpm_host.database.access_tables import idempotency
from mpm_host.web.api.all_operations import OPERATIONS
from mpm_host.web.api.idempotency import RequestKey, claim

CLUSTER = b'{"name": "Kagera"}'


def post(api, content, content_type="application/json"):
    return api("POST", "/clusters", content=content, headers={"Content-Type": content_type})


BODIES = {
    "empty": (b"", 400, "body_malformed"),
    "no JSON": (b"{", 400, "body_malformed"),
    "no UTF-8": (b'{"name": "\xff"}', 400, "body_malformed"),
    "byte order mark": (b'\xef\xbb\xbf{"name": "Kagera"}', 400, "body_malformed"),
    "NUL": (b'{"name": "Kag\\u0000era"}', 400, "body_malformed"),
    "half a character": (b'{"name": "\\ud800"}', 400, "body_malformed"),
    "a member twice": (b'{"name": "Kagera", "name": "Coast"}', 400, "body_malformed"),
    "deep": (b"[" * 10_000, 400, "body_malformed"),
    "NaN": (b'{"name": NaN}', 400, "body_malformed"),
    "huge number": (b'{"name": 1e400}', 400, "body_malformed"),
    "number for text": (b'{"name": 3}', 422, "body_invalid"),
    "null for text": (b'{"name": null}', 422, "body_invalid"),
    "list": (b'["Kagera"]', 422, "body_invalid"),
    "missing": (b"{}", 422, "body_invalid"),
    "unknown field": (b'{"name": "Kagera", "company_id": "x"}', 422, "body_invalid"),
    "blank": (b'{"name": "  "}', 422, "name_invalid"),
    "long": (b'{"name": "' + b"x" * 201 + b'"}', 422, "body_invalid"),
    "right-to-left mark": ('{"name": "Ka\u200fgera"}'.encode(), 422, "name_invalid"),
    "larger than 256 KiB": (b'{"name": "' + b"x" * 300_000 + b'"}', 413, "body_too_large"),
}


@pytest.mark.parametrize(("content", "status", "code"), BODIES.values(), ids=BODIES)
def test_a_body_that_is_not_as_declared_is_refused(umeme, content, status, code):
    answer = post(umeme, content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert umeme.ok("GET", "/clusters")["items"] == []


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/xml", "application/json; charset=utf-16"],
)
def test_a_body_of_another_kind_is_refused(umeme, content_type):
    assert post(umeme, CLUSTER, content_type).status_code == 415


def test_a_problem_points_at_the_field(umeme):
    body = {"name": "Household", "price_per_kwh": "100", "components": [{"name": "Tax"}]}
    answer = umeme("POST", "/tariffs", body)
    assert answer.json() == {
        "type": "urn:mpm:problem:body_invalid",
        "title": "Unprocessable Entity",
        "status": 422,
        "code": "body_invalid",
        "detail": "The body is not what is taken here: Object missing required field "
        "`price_per_kwh`.",
        "errors": [
            {
                "pointer": "/components/0/price_per_kwh",
                "detail": "The body is not what is taken here: Object missing required field "
                "`price_per_kwh`.",
            }
        ],
    }


def test_text_that_would_be_code_elsewhere_is_only_text(umeme):
    """B9: stored as it is, shown as it is."""
    for name in ("'; DROP TABLE mpm_cluster; --", "{{7*7}}", "<script>", "$(id)", "{0.__class__}"):
        assert umeme.ok("POST", "/clusters", {"name": name})["name"] == name


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/nothing", (404, "unknown_path")),
        ("GET", "/clusters/%00", (404, "unknown_path")),
        ("GET", "/clusters/" + "x" * 500, (404, "unknown_cluster")),
        ("DELETE", "/clusters", (405, "method_not_allowed")),
        ("GET", "/clusters?limit=0", (422, "query_invalid")),
        ("GET", "/clusters?limit=x", (422, "query_invalid")),
        ("GET", "/clusters?limit=1&limit=2", (422, "query_invalid")),
        ("GET", "/clusters?cursor=x", (422, "query_invalid")),
        ("GET", "/clusters?company_id=x", (422, "query_invalid")),
        ("GET", "/me?x=1", (422, "query_invalid")),
    ],
)
def test_what_is_not_described_is_refused(umeme, method, path, expected):
    assert umeme.refused(method, path) == expected


WITH_A_NEWLINE = {
    "price": ("POST", "/tariffs", {"name": "Household", "price_per_kwh": "1000\n"}),
    "amount": (
        "POST", "/tariffs", {"name": "H", "price_per_kwh": "1000", "minimum_purchase": "500\n"},
    ),
    "cash": ("POST", "/cash-payments", {"amount": "1000\n", "serial": "1"}),
    "token": ("POST", "/devices/1/tokens", {"amount": "1\n", "unit": "kWh", "reason": "x"}),
    "rate": (
        "POST", "/agents",
        {"name": "A", "phone": "1", "mini_grid_id": "1", "risk_balance": "1",
         "commission_rate": "0.1\n"},
    ),
    "country": (
        "POST", "/companies",
        {"name": "S", "country": "TZ\n", "currency": "TZS", "protected_password": "behind it",
         "owner": {"name": "A", "email": "a@example.com", "password": "correct horse"}},
    ),
    "cursor": ("GET", f"/clusters?cursor={'0' * 32}%0A", None),
}  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body"), WITH_A_NEWLINE.values(), ids=WITH_A_NEWLINE.keys()
)
def test_no_newline_follows_what_a_pattern_describes(umeme, method, path, body):
    code = "query_invalid" if body is None else "body_invalid"
    assert umeme.refused(method, path, body) == (422, code)


def test_a_list_is_paged_to_its_end(umeme):
    made = [umeme.ok("POST", "/clusters", {"name": f"C{number}"})["id"] for number in range(5)]
    seen, cursor = [], None
    for _ in range(3):
        page = umeme.ok("GET", "/clusters", limit=2, cursor=cursor)
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert (seen, cursor) == (made[::-1], None)


# --- idempotency keys -----------------------------------------------------------------------------


def with_key(key):
    return {"Idempotency-Key": key}


def test_a_repeated_request_gets_the_stored_answer_and_does_nothing(installation, umeme):
    body = {"name": "robot", "role": "operator"}
    first = umeme("POST", "/api-keys", body, headers=with_key("k1"))
    again = umeme("POST", "/api-keys", body, headers=with_key("k1"))

    assert (again.status_code, again.content) == (first.status_code, first.content) != (409, b"")
    assert again.headers["idempotency-replayed"] == "true"
    with installation.host.engines.read.connect() as connection:
        stored = connection.execute(sa.select(idempotency.c.answer)).scalars().all()
    assert first.json()["key"].encode() not in b"".join(stored)


def test_a_key_of_another_request_is_refused(umeme):
    umeme.ok("POST", "/clusters", {"name": "A"}, headers=with_key("k1"))
    for path, body in (("/clusters", {"name": "B"}), ("/users", {})):
        outcome = umeme("POST", path, body, headers=with_key("k1"))
        assert outcome.status_code == 422
    refused = umeme.refused("POST", "/clusters", {"name": "B"}, headers=with_key("k1"))
    assert refused == (422, "idempotency_key_reused")


def test_a_refused_request_may_be_corrected_under_its_key(umeme):
    assert umeme.refused("POST", "/clusters", {"name": " "}, headers=with_key("k1"))[0] == 422
    umeme.ok("POST", "/clusters", {"name": "A"}, headers=with_key("k1"))


def test_two_callers_may_use_the_same_key(installation, umeme):
    other = installation.key("umeme")
    umeme.ok("POST", "/clusters", {"name": "A"}, headers=with_key("k1"))
    other.ok("POST", "/clusters", {"name": "B"}, headers=with_key("k1"))


@pytest.mark.parametrize("key", ["", "x" * 256, "two words"])
def test_a_key_that_is_none_is_refused(umeme, key):
    answer = umeme("POST", "/clusters", {"name": "A"}, headers=with_key(key))
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")


def test_an_old_key_is_forgotten(umeme, clock):
    umeme.ok("POST", "/clusters", {"name": "A"}, headers=with_key("k1"))
    clock.move(days=4)
    umeme.ok("POST", "/clusters", {"name": "B"}, headers=with_key("k1"))


def test_a_dry_run_is_another_request_than_the_import(umeme):
    content = "cluster,mini_grid,village,name,surname,phone,device_kind,serial,manufacturer\n"
    headers = with_key("k1") | {"Content-Type": "text/csv"}
    umeme.ok("POST", "/imports?dry_run=true", content=content, headers=headers)
    refused = umeme("POST", "/imports", content=content, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_whoever_deletes_old_keys_in_a_long_change_holds_nobody_up(installation, umeme, clock):
    umeme.ok("POST", "/clusters", {"name": "A"}, headers=with_key("k1"))
    clock.move(days=4)
    key = RequestKey(scope="another", key="k2", digest="another")
    host = installation.host
    with host.engines.write.begin() as long_change:
        claim(long_change, key, host.vault, clock())
        umeme.ok("POST", "/clusters", {"name": "B"}, headers=with_key("k3"))
        umeme.ok("POST", "/clusters", {"name": "C"}, headers=with_key("k4"))


def test_one_request_sent_many_times_at_once_is_done_once(umeme):
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda _: umeme("POST", "/clusters", {"name": "A"}, headers=with_key("k1")),
                range(8),
            )
        )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len(umeme.ok("GET", "/clusters")["items"]) == 1


def test_an_operation_of_several_transactions_claims_its_key(installation, umeme):
    """Imports and log-ins cannot store their answer in one transaction with their work."""
    content = "cluster,mini_grid,village,name,surname,phone,device_kind,serial,manufacturer\n"
    headers = with_key("k1") | {"Content-Type": "text/csv"}
    first = umeme("POST", "/imports", content=content, headers=headers)
    again = umeme("POST", "/imports", content=content, headers=headers)
    assert first.status_code == 200, first.text
    assert again.headers["idempotency-replayed"] == "true"

    with installation.host.engines.write.begin() as connection:
        connection.execute(sa.update(idempotency).values(status=None, answer=None))
    answer = umeme("POST", "/imports", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "request_in_progress")
    installation.clock.move(minutes=11)
    assert umeme("POST", "/imports", content=content, headers=headers).status_code == 200


# --- who may do what ------------------------------------------------------------------------------


def test_every_role_may_do_what_the_table_says_and_nothing_else(installation, umeme):
    apis = {role: installation.key("umeme", role) for role in Role}
    for operation in OPERATIONS:
        if operation.public or operation.permission is None:
            continue
        path = re.sub(r"\{\w+\}", "0" * 32, operation.path)
        for role, api in apis.items():
            answer = api(operation.method.value, path, content=b"\xff")
            refused = answer.status_code == 403 and answer.json()["code"] == "forbidden"
            assert refused != (operation.permission in PERMISSIONS[role]), (operation.name, role)


def test_every_operation_but_the_public_ones_needs_somebody(installation):
    anonymous = {"sign_up", "log_in", "confirm_password_reset"}
    assert {each.name for each in OPERATIONS if each.public} == anonymous
    for operation in OPERATIONS:
        if operation.name not in anonymous:
            path = re.sub(r"\{\w+\}", "0" * 32, operation.path)
            assert installation.public(operation.method.value, path).status_code == 401


def test_a_disabled_company_is_closed(installation, umeme):
    with installation.host.engines.write.begin() as connection:
        connection.execute(sa.update(t.companies).values(enabled=False))
    installation.host.house.reload()
    assert umeme.refused("GET", "/me") == (403, "company_disabled")


def test_two_companies_never_see_each_other(installation, umeme):
    """The same names, serials and references in two companies are different things."""
    jirani = installation.company("wengine", ("calin", "sunking"))
    mine, theirs = Shop(umeme), Shop(jirani)
    made = [shop.meter() for shop in (mine, theirs)]
    for shop in (mine, theirs):
        shop.television(cost="100", instalments=1)

    assert made[0]["device"]["id"] != made[1]["device"]["id"]
    for path in ("/clusters", "/mini-grids", "/villages", "/tariffs", "/appliances", "/customers",
                 "/devices", "/sales", "/payments", "/users", "/api-keys", "/audit"):  # fmt: skip
        ids = [{item["id"] for item in api.ok("GET", path)["items"]} for api in (umeme, jirani)]
        assert not ids[0] & ids[1], path
