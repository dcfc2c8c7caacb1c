"""T-84: a forgotten password is replaced with a code from somebody who may manage the user."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from mpm_host.access.roles import Role
from mpm_host.database import tables as t
from mpm_host.database.access_tables import password_resets

FORMER, NEW = "correct horse", "battery staple"
EMAIL = "baraka@example.com"


@pytest.fixture
def owner(installation):
    return installation.company()


@pytest.fixture
def user(owner):
    body = {"email": EMAIL, "name": "Baraka", "role": "admin", "password": FORMER}
    return owner.ok("POST", "/users", body)


def make(api, user):
    return api.ok("POST", f"/users/{user['id']}/password-reset")


def confirm(installation, code, email=EMAIL, password=NEW):
    body = {"email": email, "code": code, "password": password}
    return installation.public("POST", "/password-resets/confirm", body)


def log_in(installation, password):
    body = {"email": EMAIL, "password": password}
    return installation.public("POST", "/sessions", body).status_code


def test_a_code_gives_a_user_another_password_once(installation, owner, user):
    session = installation.public.ok("POST", "/sessions", {"email": EMAIL, "password": FORMER})
    made = make(owner, user)
    assert made == {"email": EMAIL, "code": made["code"], "expires_at": "2026-03-02T09:30:00Z"}
    assert re.fullmatch("([2-9A-HJ-NP-Z]{4}-){3}[2-9A-HJ-NP-Z]{4}", made["code"])
    assert log_in(installation, FORMER) == 201

    answer = confirm(installation, made["code"])

    assert (answer.status_code, answer.content) == (204, b"")
    assert (log_in(installation, FORMER), log_in(installation, NEW)) == (403, 201)
    assert installation.public.as_(session["bearer"]).refused("GET", "/me")[0] == 401
    assert confirm(installation, made["code"], password="another one").status_code == 403
    assert log_in(installation, NEW) == 201


@pytest.mark.parametrize(
    "written",
    [str.lower, lambda code: code.replace("-", ""), lambda code: f" {code.replace('-', ' ')} "],
    ids=["small", "without hyphens", "blanks"],
)
def test_a_code_may_be_typed_as_people_type(installation, owner, user, written):
    assert confirm(installation, written(make(owner, user)["code"])).status_code == 204


def test_t_84_an_unknown_address_cannot_be_told_from_a_wrong_code(installation, owner, user):
    make(owner, user)
    known = [confirm(installation, "2222-2222-2222-2222") for _ in range(6)]
    unknown = [confirm(installation, "2222-2222-2222-2222", "nobody@example.com") for _ in range(6)]

    assert [each.content for each in known] == [each.content for each in unknown]
    assert known[0].json()["detail"] == (
        "E-mail address and code do not belong together, or the code is used or older than 30 "
        "minutes; ask an owner or admin of your company for another one."
    )
    told = [(each.status_code, each.json()["code"]) for each in known]
    assert told == [(403, "reset_code_wrong")] * 5 + [(429, "too_many_attempts")]
    assert known[-1].headers["retry-after"] == unknown[-1].headers["retry-after"]


def test_a_user_without_a_code_is_refused_like_everybody(installation, user):
    assert confirm(installation, "2222-2222-2222-2222").json()["code"] == "reset_code_wrong"
    assert confirm(installation, "").json()["code"] == "reset_code_wrong"
    assert log_in(installation, FORMER) == 201


def test_a_code_ends_after_half_an_hour(installation, owner, user, clock):
    code = make(owner, user)["code"]
    clock.move(minutes=30)
    assert confirm(installation, code).json()["code"] == "reset_code_wrong"
    assert log_in(installation, FORMER) == 201


def test_another_code_ends_the_former_one(installation, owner, user):
    first, second = make(owner, user)["code"], make(owner, user)["code"]
    assert confirm(installation, first).status_code == 403
    assert confirm(installation, second).status_code == 204


def test_a_code_ends_when_the_password_is_changed_otherwise(installation, owner, user):
    code = make(owner, user)["code"]
    owner.ok("PATCH", f"/users/{user['id']}", {"password": "quite another"})
    assert confirm(installation, code).status_code == 403


def test_a_disabled_user_gets_no_code_and_cannot_redeem_one(installation, owner, user):
    code = make(owner, user)["code"]
    owner.ok("PATCH", f"/users/{user['id']}", {"enabled": False})
    assert confirm(installation, code).status_code == 403
    path = f"/users/{user['id']}/password-reset"
    assert owner.refused("POST", path) == (409, "user_disabled")


def test_a_password_nobody_may_choose_is_refused_before_the_code_counts(installation, owner, user):
    code = make(owner, user)["code"]
    for password in ("short", "password", EMAIL):
        assert confirm(installation, code, password=password).json()["code"] == "password_invalid"
    assert confirm(installation, code).status_code == 204


def test_nobody_makes_a_code_for_a_role_above_their_own(installation, owner):
    body = {"email": "o@example.com", "name": "O", "role": "owner", "password": FORMER}
    boss = owner.ok("POST", "/users", body)
    path = f"/users/{boss['id']}/password-reset"
    assert installation.key(role=Role.ADMIN).refused("POST", path) == (403, "role_above_own")
    assert installation.key(role=Role.FINANCE).refused("POST", path) == (403, "forbidden")
    assert owner.refused("POST", f"/users/{'0' * 32}/password-reset") == (404, "unknown_user")


def test_the_audit_trail_tells_who_made_a_code_and_that_it_was_used(installation, owner, user):
    confirm(installation, make(owner, user)["code"])
    noted = [
        (each["action"], each["actor"], each["subject"], each["reason"])
        for each in installation.audit(owner)
    ]
    assert noted[:2] == [
        ("user.password_changed", EMAIL, EMAIL, "reset code"),
        ("password_reset.created", noted[1][1], EMAIL, ""),
    ]
    assert noted[1][1].startswith("API key owner")


def test_a_code_is_nowhere_in_the_database(installation, owner, user):
    plain = make(owner, user)["code"]
    with installation.host.engines.read.connect() as connection:
        stored = connection.execute(sa.select(password_resets)).mappings().one()
        trail = connection.execute(sa.select(t.audit)).mappings().all()
    for text in (plain, plain.replace("-", "")):
        assert text not in f"{stored} {trail}"


def test_one_code_redeemed_twice_at_once_works_once(installation, owner, user):
    code = make(owner, user)["code"]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda n: confirm(installation, code, password=NEW + n), "12"))
    assert sorted(each.status_code for each in answers) == [204, 403]
