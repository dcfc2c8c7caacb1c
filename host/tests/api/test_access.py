"""Sign-up, users, sessions, elevations and API keys through the API."""

from __future__ import annotations

from itertools import product

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from mpm_host.access.roles import PERMISSIONS, Permission, Role, may_assign
from mpm_host.database import access_tables, tables

PASSWORD = "correct horse"
PROTECTED = "behind the curtain"
SIGN_UP = {
    "name": "Umeme Vijijini",
    "country": "TZ",
    "currency": "TZS",
    "plugins": ["calin", "airtel"],
    "owner": {"name": "Asha Juma", "email": "Asha@Example.com", "password": PASSWORD},
    "protected_password": PROTECTED,
}


@pytest.fixture
def signed_up(installation):
    return installation.public.ok("POST", "/companies", SIGN_UP)


@pytest.fixture
def owner(installation, signed_up):
    return installation.public.as_(signed_up["api_key"]["key"])


def log_in(installation, email, password):
    return installation.public.as_(
        installation.public.ok("POST", "/sessions", {"email": email, "password": password})[
            "bearer"
        ]
    )


def counts(installation):
    with installation.host.engines.read.connect() as connection:
        return [
            connection.scalar(sa.select(sa.func.count()).select_from(table))
            for table in (tables.companies, tables.instances, tables.audit, access_tables.users,
                          access_tables.api_keys, access_tables.protected_passwords)
        ]  # fmt: skip


def test_sign_up_makes_a_company_that_works_at_once(installation, signed_up, owner):
    assert signed_up["company"] == {
        "slug": "umeme-vijijini",
        "name": "Umeme Vijijini",
        "country": "TZ",
        "currency": "TZS",
        "timezone": "Africa/Dar_es_Salaam",
    }
    assert signed_up["owner"]["email"] == "asha@example.com"
    plugins = owner.ok("GET", "/plugins")["instances"]
    assert [(each["instance"], each["state"]) for each in plugins] == [
        ("airtel", "unconfigured"),
        ("calin", "unconfigured"),
    ]
    me = log_in(installation, "asha@example.com", PASSWORD).ok("GET", "/me")
    assert (me["company"], me["name"], me["role"]) == (
        "umeme-vijijini",
        "asha@example.com",
        "owner",
    )


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"plugins": ["calin", "stranger"]}, 409, "plugin_not_enabled"),
        ({"country": "XX"}, 422, "company_invalid"),
        ({"currency": "XXX"}, 422, "company_invalid"),
        ({"protected_password": "short"}, 422, "password_invalid"),
        ({"owner": SIGN_UP["owner"] | {"email": "nobody"}}, 422, "email_invalid"),
        ({"owner": SIGN_UP["owner"] | {"password": "12345678"}}, 422, "password_invalid"),
        ({"owner": SIGN_UP["owner"] | {"email": "taken@example.com"}}, 409, "email_taken"),
        ({"is_admin": True}, 422, "body_invalid"),
    ],
    ids=["plugin", "country", "currency", "protected", "email", "common", "taken", "unknown field"],
)
def test_sign_up_is_all_or_nothing(installation, change, status, code):
    first = SIGN_UP | {"name": "First"}
    first["owner"] = SIGN_UP["owner"] | {"email": "taken@example.com"}
    installation.public.ok("POST", "/companies", first)
    before = counts(installation)

    assert installation.public.refused("POST", "/companies", SIGN_UP | change) == (status, code)

    assert counts(installation) == before


def test_two_companies_of_one_name_get_slugs_of_their_own(installation, signed_up):
    other = SIGN_UP | {"owner": SIGN_UP["owner"] | {"email": "b@example.com"}}
    made = installation.public.ok("POST", "/companies", other)
    assert made["company"]["slug"] == "umeme-vijijini-2"


def test_the_checklist_tells_what_a_new_company_lacks(owner):
    checks = owner.ok("GET", "/checklist")
    assert not checks["done"]
    open_items = [(item["name"], item["instance"]) for item in checks["items"] if not item["done"]]
    assert open_items == [
        ("plugin_manufacturer", None),
        ("plugin_telecom", None),
        ("plugin_messenger", None),
        ("plugin_settings", "airtel"),
        ("plugin_settings", "calin"),
        ("users", None),
        ("clusters", None),
        ("mini_grids", None),
        ("villages", None),
        ("devices", None),
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer mpmk_unknown"},
        {"Authorization": "Bearer mpms_unknown"},
        {"Authorization": "Bearer other"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
    ],
    ids=["none", "empty", "unknown key", "unknown session", "other prefix", "basic"],
)
def test_whoever_does_not_prove_who_they_are_is_refused(installation, headers):
    answer = installation.public("GET", "/me", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="mpm"'
    assert answer.json()["code"] == "unauthenticated"


def test_a_session_ends_when_idle_when_old_and_when_told(installation, clock, signed_up):
    def begin():
        return log_in(installation, "asha@example.com", PASSWORD)

    idle = begin()
    clock.move(hours=2)
    assert idle.refused("GET", "/me") == (401, "unauthenticated")

    busy = begin()
    for _ in range(7):
        clock.move(minutes=100)
        busy.ok("GET", "/me")
    clock.move(minutes=100)
    assert busy.refused("GET", "/me") == (401, "unauthenticated")

    told = begin()
    told.ok("DELETE", "/sessions/current")
    assert told.refused("GET", "/me") == (401, "unauthenticated")


def test_a_wrong_password_is_answered_alike_for_known_and_unknown_people(installation, signed_up):
    for email in ("asha@example.com", "stranger@example.com"):
        with capture_logs() as logged:
            answers = [
                installation.public.refused(
                    "POST", "/sessions", {"email": email, "password": "wrong"}
                )
                for _ in range(6)
            ]
        assert answers == [(403, "wrong_password")] * 5 + [(429, "too_many_attempts")]
        warned = [line["reason"] for line in logged if line["log_level"] == "warning"]
        assert warned == [code for _, code in answers]
        assert email not in str(logged)


def test_idempotency_keys_of_people_who_are_not_logged_in_never_meet(installation, signed_up):
    """The programs of both begin with the same key; the same person's repeat is the same still."""
    key = {"Idempotency-Key": "1"}
    owner = {"name": "Baraka Mushi", "email": "baraka@example.com", "password": PASSWORD}
    another = SIGN_UP | {"name": "Solar Pwani", "owner": owner}
    installation.public.ok("POST", "/companies", another, headers=key)
    mine = {"email": "asha@example.com", "password": PASSWORD}
    theirs = mine | {"email": "baraka@example.com"}
    first, other, again = [
        installation.public.ok("POST", "/sessions", person, headers=key)
        for person in (mine, theirs, mine)
    ]
    assert first["bearer"] != other["bearer"]
    assert again == first


def test_a_blocked_person_may_try_again_after_the_time_told(installation, clock, signed_up):
    right = {"email": "asha@example.com", "password": PASSWORD}
    for _ in range(5):
        installation.public("POST", "/sessions", right | {"password": "wrong"})
    blocked = installation.public("POST", "/sessions", right)
    assert blocked.status_code == 429
    clock.move(seconds=int(blocked.headers["retry-after"]))
    installation.public.ok("POST", "/sessions", right)


def test_a_disabled_user_is_out_at_once(installation, owner):
    user = owner.ok("POST", "/users", user_body("b@example.com", "finance"))
    theirs = log_in(installation, "b@example.com", PASSWORD)
    owner.ok("PATCH", f"/users/{user['id']}", {"enabled": False})

    assert theirs.refused("GET", "/me") == (401, "unauthenticated")
    body = {"email": "b@example.com", "password": PASSWORD}
    assert installation.public.refused("POST", "/sessions", body) == (403, "wrong_password")


def user_body(email, role):
    return {"email": email, "name": "Baraka", "role": role, "password": PASSWORD}


def test_nobody_gives_or_takes_a_role_above_their_own(installation, owner):
    slug = "umeme-vijijini"
    of_role = {role: {"role": role.value} for role in Role}
    of_role[Role.AGENT]["agent_id"] = installation.agent(slug)
    existing = {
        role: owner.ok("POST", "/users", user_body(f"{role}@example.com", role.value) | more)
        for role, more in of_role.items()
    }
    seen = {}
    for own, other in product(Role, Role):
        api = installation.key(slug, own, name=f"{own} over {other}")
        path, name = f"/users/{existing[other]['id']}", f"robot of {own} and {other}"
        seen[own, other] = [
            outcome(api("PATCH", path, {"name": "Other"})),
            outcome(api("POST", "/api-keys", {"name": name} | of_role[other])),
        ]

    assert seen == {
        (own, other): [expected_of(own, other)] * 2 for own, other in product(Role, Role)
    }


def outcome(answer):
    return "done" if answer.is_success else answer.json()["code"]


def expected_of(own, other):
    if Permission.USERS_WRITE not in PERMISSIONS[own]:
        return "forbidden"
    return "done" if may_assign(own, other) else "role_above_own"


def test_a_new_user_gets_no_role_above_its_maker(installation, owner):
    admin = installation.key("umeme-vijijini", Role.ADMIN)
    body = user_body("new@example.com", "owner")
    assert admin.refused("POST", "/users", body) == (403, "role_above_own")
    admin.ok("POST", "/users", body | {"role": "admin"})


def test_the_last_owner_stays(owner, signed_up):
    path = f"/users/{signed_up['owner']['id']}"
    for change in ({"enabled": False}, {"role": "admin"}):
        assert owner.refused("PATCH", path, change) == (409, "last_owner")
    owner.ok("PATCH", path, {"name": "Asha J."})

    second = owner.ok("POST", "/users", user_body("second@example.com", "owner"))
    owner.ok("PATCH", path, {"role": "admin"})
    assert owner.refused("PATCH", f"/users/{second['id']}", {"enabled": False}) == (
        409,
        "last_owner",
    )


def test_a_person_changes_their_own_password(installation, signed_up):
    mine = log_in(installation, "asha@example.com", PASSWORD)
    body = {"former": "wrong", "password": "another horse"}
    assert mine.refused("PUT", "/me/password", body) == (403, "wrong_password")
    mine.ok("PUT", "/me/password", body | {"former": PASSWORD})

    assert mine.refused("GET", "/me") == (401, "unauthenticated")
    log_in(installation, "asha@example.com", "another horse")


def test_an_api_key_is_shown_once_and_revoked_for_good(installation, owner):
    made = owner.ok("POST", "/api-keys", {"name": "robot", "role": "operator"})
    robot = owner.as_(made["key"])
    assert robot.ok("GET", "/me")["role"] == "operator"
    assert made["key"] not in owner("GET", "/api-keys").text
    with installation.host.engines.read.connect() as connection:
        stored = connection.execute(sa.select(access_tables.api_keys)).mappings().all()
    assert made["key"] not in str(stored)

    owner.ok("DELETE", f"/api-keys/{made['id']}")
    assert robot.refused("GET", "/me") == (401, "unauthenticated")
    assert owner.refused("POST", "/api-keys", {"name": "robot", "role": "operator"}) == (
        409,
        "name_taken",
    )


def test_an_elevation_lasts_fifteen_minutes(installation, clock, owner):
    assert owner.refused("POST", "/elevations", {"password": "wrong"}) == (403, "wrong_password")
    until = owner.ok("POST", "/elevations", {"password": PROTECTED})["elevated_until"]

    assert until == "2026-03-02T09:15:00Z"
    clock.move(minutes=14)
    assert owner.ok("GET", "/me")["elevated_until"] == until
    clock.move(minutes=1)
    assert owner.ok("GET", "/me")["elevated_until"] is None


def test_another_protected_password_ends_elevations(installation, owner):
    owner.ok("POST", "/elevations", {"password": PROTECTED})
    owner.ok("PUT", "/protected-password", {"password": "behind the wall"})

    assert owner.ok("GET", "/me")["elevated_until"] is None
    assert owner.refused("POST", "/elevations", {"password": PROTECTED}) == (403, "wrong_password")
    admin = installation.key("umeme-vijijini", Role.ADMIN)
    assert admin.refused("PUT", "/protected-password", {"password": "mine from now"}) == (
        403,
        "forbidden",
    )
