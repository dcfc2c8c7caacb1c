"""`mpm company sign-up`, `checklist` and `protected-password`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import sqlalchemy as sa

from mpm_core import Secret
from mpm_host.access.login import log_in
from mpm_host.access.passwords import matches
from mpm_host.commands.company_checklist import print_checklist
from mpm_host.configuration.config import load_config
from mpm_host.database.access_tables import metadata, protected_passwords
from mpm_host.database.tables import audit
from mpm_host.host import Host
from tests.support.terminals import on_a_terminal

COUNTED = ("mpm_company", "mpm_instance", "mpm_user", "mpm_api_key", "mpm_protected_password")
ANSWERS = {
    "--name": "Umeme Vijijini",
    "--country": "TZ",
    "--currency": "TZS",
    "--owner-name": "Asha Juma",
    "--owner-email": "asha@example.com",
    "--owner-password-env": "ASHAS",
    "--protected-password-env": "CURTAIN",
}
PASSWORDS = {"ASHAS": "correct horse", "CURTAIN": "behind the curtain"}
SETTINGS = """
    api_key: Secret = setting(help="Key of our account.")
"""


@pytest.fixture
def mpm(command_line, plugin_folder):
    """An installation without a company, where `acme` and `tele` may be used."""
    plugin_folder.install("acme", settings=SETTINGS)
    plugin_folder.install("tele", kind="telecom")
    plugin_folder.install("stranger", kind="telecom")
    command_line("init")
    path = Path("mpm.toml")
    line = next(line for line in path.read_text().splitlines() if line.startswith("allowed_plu"))
    path.write_text(path.read_text().replace(line, 'allowed_plugins = ["acme", "tele"]'))
    return command_line


def sign_up(mpm, *more, without=(), **changed):
    answers = {name: value for name, value in ANSWERS.items() if name not in without} | {
        f"--{name.replace('_', '-')}": value for name, value in changed.items()
    }
    given = [part for answer in answers.items() for part in answer]
    return mpm("company", "sign-up", *given, *more, **PASSWORDS)


def opened():
    return Host.open(load_config(Path("mpm.toml"), os.environ))


def counts():
    with opened() as host, host.engines.read.connect() as connection:
        return {
            name: connection.scalar(sa.select(sa.func.count()).select_from(metadata.tables[name]))
            for name in COUNTED
        }


def test_sign_up_makes_everything_at_once_and_says_what_to_type_next(mpm):
    ended = sign_up(mpm, "--plugin", "acme", "--plugin", "Tele")

    lines = ended.output.splitlines()
    assert (ended.exit_code, ended.errors) == (0, "")
    assert lines[0] == "Company 'umeme-vijijini' is signed up; 'asha@example.com' is its owner."
    assert lines[1].startswith("Its first API key, not shown again: mpmk_")
    assert [line.split("  ")[-1].strip() for line in lines[4:-2]] == [
        "mpm company enable umeme-vijijini PLUGIN",
        "mpm company enable umeme-vijijini PLUGIN",
        "mpm company enable umeme-vijijini PLUGIN",
        "mpm company enable umeme-vijijini acme",
        "mpm company enable umeme-vijijini tele",
        "mpm user create umeme-vijijini --email EMAIL --role ROLE",
        *["mpm import umeme-vijijini FILE.csv"] * 4,
    ]
    assert lines[-2:] == ["1 of 11 are done.", "Later: mpm company checklist umeme-vijijini"]
    assert counts() == {
        "mpm_company": 1,
        "mpm_instance": 2,
        "mpm_user": 1,
        "mpm_api_key": 1,
        "mpm_protected_password": 1,
    }


def test_the_owner_logs_in_and_opens_the_protected_pages(mpm):
    sign_up(mpm, "--no-plugins")
    with opened() as host:
        host.load()
        now = host.clock()
        session = log_in(
            host.engines.write, host.house.directory, "asha@example.com",
            Secret(PASSWORDS["ASHAS"]), now,
        )  # fmt: skip
        with host.engines.read.connect() as connection:
            stored = connection.scalar(sa.select(protected_passwords.c.password))
    assert session.expires_at > now
    assert matches(stored, Secret(PASSWORDS["CURTAIN"]))


def test_sign_up_prints_json_with_the_key_and_the_checklist(mpm):
    made = json.loads(sign_up(mpm, "--json", "--plugin", "acme").output)

    assert made["company"] == {
        "slug": "umeme-vijijini",
        "name": "Umeme Vijijini",
        "country": "TZ",
        "currency": "TZS",
        "timezone": "Africa/Dar_es_Salaam",
        "managed_by_configuration": False,
        "enabled": True,
        "arrears_buy_time": False,
        "demand_mapping": False,
    }
    assert made["owner"]["email"] == "asha@example.com"
    assert made["api_key"]["key"].startswith("mpmk_")
    assert made["checklist"] == json.loads(
        mpm("company", "checklist", "umeme-vijijini", "--json").output
    )
    protected = next(
        item for item in made["checklist"]["items"] if item["name"] == "protected_password"
    )
    assert (protected["done"], protected["command"]) == (True, None)


@pytest.mark.parametrize(
    ("changed", "more", "error"),
    [
        (
            {"country": "TZX"},
            (),
            "The new company: country 'TZX' is no ISO 3166 code; write two capitals such as TZ.",
        ),
        (
            {"country": "CD"},
            (),
            (
                "The new company: timezone is missing, and CD has several; write one such as "
                "Africa/Dar_es_Salaam."
            ),
        ),
        (
            {},
            ("--plugin", "stranger"),
            (
                "Plugin 'stranger' is not allowed; if you trust it, add it to allowed_plugins in "
                "mpm.toml."
            ),
        ),
        (
            {"owner_email": "asha"},
            (),
            "'asha' is not an e-mail address; write one such as asha@example.com.",
        ),
        (
            {"owner_password_env": "SHORT"},
            (),
            "--owner-password-env: there is no variable 'SHORT'; set it.",
        ),
        ({}, ("--no-plugins", "--plugin", "acme"), "Give --plugin or --no-plugins, not both."),
    ],
    ids=["country", "time zone", "plugin", "e-mail", "password", "both"],
)
def test_a_sign_up_that_cannot_be_leaves_nothing_behind(mpm, changed, more, error):
    ended = sign_up(mpm, *more, **changed)
    assert (ended.exit_code, ended.errors) == (2, f"Error: {error}\n")
    assert set(counts().values()) == {0}


def test_an_owner_of_another_company_is_refused_and_nothing_is_left(mpm):
    sign_up(mpm)
    before = counts()
    ended = sign_up(mpm, "--plugin", "acme", name="Jirani")
    assert (ended.exit_code, ended.errors) == (
        2,
        "Error: 'asha@example.com' is a user already; an address can log in to one company only.\n",
    )
    assert counts() == before


def test_a_script_hears_at_once_all_that_is_missing(mpm):
    ended = sign_up(mpm, without=("--name", "--owner-email", "--protected-password-env"))
    assert (ended.exit_code, ended.errors) == (
        2,
        (
            "Error: Nobody can be asked here; give --name, --owner-email, "
            "--protected-password-env or -file.\n"
        ),
    )


def test_a_terminal_is_asked_until_every_answer_can_be_right(mpm, plugin_folder):
    answers = [
        "Umeme Kongo", "XX", "cd", "CDF", "Mars", "Africa/Kinshasa", "other", "acme", "tele",
        "Asha", "asha", "asha@example.com", "12345678", "12345678", "correct horse",
        "correct horse", "behind the curtain", "behind the curtain",
    ]  # fmt: skip
    shown = on_a_terminal(mpm, plugin_folder, answers, "company", "sign-up")

    for expected in (
        "Error: The country 'XX' is no ISO 3166 code; write two capitals such as TZ.",
        "Error: The timezone 'Mars' is no IANA time zone; write one such as Africa/Dar_es_Salaam.",
        "Manufacturers:\n  acme  ",
        "Error: 'other' is none of them; choose from the list.",
        "Telecoms:\n  tele  ",
        "Messengers: none is allowed and installed here.",
        "Error: 'asha' is not an e-mail address; write one such as asha@example.com.",
        "Error: The password is one that many people use; choose another.",
        "Company 'umeme-kongo' is signed up; 'asha@example.com' is its owner.",
    ):
        assert expected in shown
    assert not {"correct horse", "behind the curtain", "stranger"} & set(shown.split("▶"))
    assert "correct horse" not in shown
    assert "behind the curtain" not in shown
    company = json.loads(mpm("company", "show", "umeme-kongo", "--json").output)
    assert company["timezone"] == "Africa/Kinshasa"
    assert [each["plugin"] for each in company["plugins"]] == ["acme", "tele"]


# --- the protected pages --------------------------------------------------------------------------


@pytest.fixture
def solar(mpm):
    """A company without owner or passwords, as `company create` makes it."""
    mpm(
        "company", "create", "solar", "--name", "Solar Ltd", "--country", "KE", "--currency",
        "KES",
    )  # fmt: skip
    return mpm


def missing(mpm, slug="solar"):
    listed = json.loads(mpm("company", "checklist", slug, "--json").output)["items"]
    return [item["name"] for item in listed if not item["done"]]


def test_a_created_company_gets_its_protected_pages_password_later(solar):
    assert "protected_password" in missing(solar)
    ended = solar(
        "company", "protected-password", "solar", "--by", "asha@example.com", "--password-env",
        "CURTAIN", **PASSWORDS,
    )  # fmt: skip
    assert (ended.exit_code, ended.output) == (
        0,
        "The protected-pages password of company 'solar' is set.\n",
    )
    assert "protected_password" not in missing(solar)
    with opened() as host, host.engines.read.connect() as connection:
        query = sa.select(audit.c.actor, audit.c.before, audit.c.after, audit.c.reason)
        noted = connection.execute(query.where(audit.c.action.like("protected%"))).all()
    assert noted == [("asha@example.com", {}, {}, "command line")]


def test_a_company_of_the_configuration_gets_one_too(mpm):
    with Path("mpm.toml").open("a") as file:
        file.write('[companies.umeme]\nname = "Umeme"\ncountry = "TZ"\ncurrency = "TZS"\n')
    mpm("company", "reconcile")
    Path("secret").write_text("behind the curtain\n")
    ended = mpm(
        "company", "protected-password", "umeme", "--by", "a@example.com", "--password-file",
        "secret", "--json",
    )  # fmt: skip
    assert ended.exit_code == 0
    assert json.loads(ended.output) == {"company": "umeme", "protected_password": "set"}
    assert "protected_password" not in missing(mpm, "umeme")
    rows = mpm("company", "checklist", "umeme").output.splitlines()
    assert rows[1].endswith("change [companies.umeme] in mpm.toml")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("solar", "--by", "asha"), "'asha' is not an e-mail address; write one such as "),
        (("nobody", "--by", "a@example.com"), "There is no company 'nobody'; `mpm company list`"),
        (
            ("solar", "--by", "a@example.com", "--password-env", "SHORT"),
            "The password has 5 characters; choose 8 to 128.",
        ),
        (
            ("solar", "--by", "a@example.com"),
            "Nobody can be asked for the protected-pages password; give --password-env or -file.",
        ),
    ],
    ids=["who", "company", "short", "nobody to ask"],
)
def test_a_protected_pages_password_that_cannot_be_is_one_plain_line(solar, arguments, error):
    ended = solar("company", "protected-password", *arguments, SHORT="horse")
    assert ended.exit_code == 2
    assert ended.errors.startswith(f"Error: {error}")
    assert "protected_password" in missing(solar)


def test_a_complete_company_lacks_nothing(capsys):
    print_checklist(None, ())
    assert capsys.readouterr().out == (
        "Nothing is missing: the company can take its first payment.\n"
    )
