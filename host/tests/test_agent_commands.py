"""`mpm agent`, and logins of agents, as a person types them."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from mpm_core import Secret
from mpm_host.agents.agent_money import Source, book_cash
from mpm_host.agents.agent_rules import EntryKind
from mpm_host.agents.agent_store import lock_agent
from mpm_host.commands import cli
from mpm_host.companies.audit_trail import Actor
from mpm_host.database import agent_tables
from mpm_host.encryption import Vault, new_key
from mpm_host.registration.appliances import ApplianceKind
from tests.support.small_company import SmallCompany, small_directory

GRID = "Grid of Kimwani"
CONFIG = """
[host]
database = "{url}"
allowed_plugins = []
secret_key = "{key}"
mode = "development"
"""


@pytest.fixture
def database_url(sqlite_template, tmp_path):
    path = tmp_path / "mpm.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture
def key():
    return new_key()


@pytest.fixture
def company(engines, key):
    company = SmallCompany(engines, directory=small_directory("umeme"), vault=Vault([Secret(key)]))
    company.village()
    return company


@pytest.fixture
def mpm(company, database_url, key, tmp_path):
    """Run `mpm`; return exit code, standard output and standard error."""
    path = tmp_path / "mpm.toml"
    path.write_text(CONFIG.format(url=database_url, key=key))
    path.chmod(0o600)

    def run(*words, **environ):
        result = CliRunner().invoke(cli, ["--config", str(path), *words], env=environ)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return run


def create(mpm, *more, phone="0755000001", grid=GRID, rate="0.10", limit="3000"):
    return mpm(
        "agent", "create", "umeme", "--name", "Juma", "--phone", phone, "--mini-grid", grid,
        "--commission", rate, "--risk-balance", limit, *more,
    )  # fmt: skip


@pytest.fixture
def agent(mpm):
    """The id of an agent."""
    return json.loads(create(mpm, "--json")[1])["id"]


def collect(company, agent_id, minor):
    """Let the agent hold cash, as the service books it."""
    payment = company.pay("47001234567", "1000", "MP-1")
    with company.engines.write.begin() as connection:
        agent = lock_agent(connection, company.record, agent_id)
        actor = Actor(name="tests", at=company.now)
        source = Source(payment_id=payment)
        book_cash(connection, agent, minor, EntryKind.PAYMENT, source, actor)


def test_an_agent_is_created_listed_and_shown(mpm, agent):
    code, output, _ = mpm("agent", "show", "umeme", agent, "--json")
    shown = json.loads(output)
    assert code == 0
    assert shown == {
        "id": agent,
        "name": "Juma",
        "phone": shown["phone"],
        "mini_grid_id": shown["mini_grid_id"],
        "commission_rate": "0.10",
        "risk_balance": "3000",
        "balance": "0",
        "commission": "0",
        "due": "0",
        "currency": "TZS",
        "enabled": True,
        "created_at": shown["created_at"],
    }
    assert "755000001" not in shown["phone"]
    assert json.loads(mpm("agent", "list", "umeme", "--json")[1]) == [shown]
    heading, row = mpm("agent", "list", "umeme")[1].splitlines()
    assert heading.split() == [
        "ID", "NAME", "PHONE", "BALANCE", "COMMISSION", "DUE", "RISK_BALANCE", "ENABLED",
    ]  # fmt: skip
    assert row.split()[0] == agent
    assert "risk_balance     3000\n" in mpm("agent", "show", "umeme", agent)[1]


def test_a_company_without_agents_says_so(mpm):
    assert mpm("agent", "list", "umeme") == (0, "Company 'umeme' has no agents.\n", "")


def test_e_68_a_receipt_pays_the_commission(mpm, company, agent):
    company.meter()
    collect(company, agent, 100_000)
    assert mpm("agent", "receipt", "umeme", agent, "--amount", "900") == (
        0,
        "Taken: 900 TZS; the agent kept 100 TZS commission and holds 0 TZS.\n",
        "",
    )
    with company.engines.read.connect() as connection:
        [taken_by] = connection.scalars(sa.select(agent_tables.agent_receipts.c.taken_by))
    assert taken_by.startswith("command line (")


def test_a_receipt_is_printed_as_json(mpm, company, agent):
    company.meter()
    collect(company, agent, 100_000)
    made = json.loads(mpm("agent", "receipt", "umeme", agent, "--amount", "90", "--json")[1])
    assert (made["amount"], made["commission_paid"], made["balance_before"]) == (
        "90", "100", "1000",
    )  # fmt: skip
    assert (made["balance_after"], made["currency"]) == ("810", "TZS")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (
            {"grid": "Nowhere"},
            "Company 'umeme' has no mini-grid named 'Nowhere'; give an id.",
        ),
        (
            {"limit": "much"},
            (
                "--risk-balance cannot be used: 'much' is not an amount; write digits such as 1000 "
                "or 199.50."
            ),
        ),
        (
            {"rate": "1.1"},
            (
                "The commission rate '1.1' cannot be used; write a decimal from 0 to 1 with at "
                "most 8 decimals, such as 0.10 for a tenth."
            ),
        ),
    ],
    ids=["mini-grid", "limit", "T-78"],
)
def test_a_wrong_agent_is_refused_in_one_plain_line(mpm, change, error):
    assert create(mpm, **change) == (2, "", f"Error: {error}\n")


@pytest.mark.parametrize(
    ("agent_id", "amount", "error"),
    [
        (
            None,
            "5",
            (
                "The agent holds 0 TZS of the company's cash and has earned 0 TZS: there is "
                "nothing to hand over."
            ),
        ),
        (None, "0", "The amount is 0 TZS; it must be more than 0."),
        ("nobody", "5", "The company has no agent with id 'nobody'."),
    ],
    ids=["T-77", "nothing", "unknown"],
)
def test_a_wrong_receipt_is_refused_in_one_plain_line(mpm, agent, agent_id, amount, error):
    ended = mpm("agent", "receipt", "umeme", agent_id or agent, "--amount", amount)
    assert ended == (2, "", f"Error: {error}\n")


def test_an_agent_gets_a_key_and_a_user(mpm, company, agent):
    words = ("api-key", "create", "umeme", "--name", "app", "--role", "agent")
    assert mpm(*words) == (
        2,
        "",
        "Error: Role agent acts for one agent; give that agent's id.\n",
    )
    assert mpm(*words, "--agent", agent)[0] == 0
    user = (
        "user", "create", "umeme", "--email", "juma@example.com", "--role", "agent", "--agent",
        agent, "--password-env", "JUMAS",
    )  # fmt: skip
    assert mpm(*user, JUMAS="correct horse")[0] == 0
    with company.engines.read.connect() as connection:
        logins = connection.scalars(sa.select(agent_tables.agent_logins.c.agent_id)).all()
    assert logins == [agent, agent]


# --- what they may sell ---------------------------------------------------------------------------


def test_an_appliance_is_given_listed_and_taken_back(mpm, agent, company):
    radio = company.appliance("Radio", ApplianceKind.OTHER)
    empty = mpm("agent", "appliances", "umeme", agent)
    assert empty[:2] == (0, "Agent 'Juma' may sell nothing yet.\n")
    given = mpm("agent", "give", "umeme", agent, "--appliance", "Radio", "--price", "3000")
    assert given[:2] == (0, "The agent sells 'Radio' for 3000 TZS now.\n")
    [listed] = json.loads(mpm("agent", "appliances", "umeme", agent, "--json")[1])
    assert (listed["appliance_id"], listed["name"], listed["price"]) == (radio, "Radio", "3000")
    taken = mpm("agent", "take-back", "umeme", agent, "--appliance", radio)
    assert taken[:2] == (0, f"Taken back: {radio!r}.\n")
    again = mpm("agent", "take-back", "umeme", agent, "--appliance", "Radio")
    assert again[:2] == (0, "The agent did not have it: 'Radio'.\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(
            ("--appliance", "Boat", "--price", "1"),
            "Company 'umeme' has no appliance 'Boat'; give its name or id.",
            id="unknown appliance",
        ),
        pytest.param(
            ("--appliance", "Radio", "--price", "0"), "The price is 0; it must be more.", id="free"
        ),
    ],
)
def test_what_cannot_be_given_is_told_in_one_line(mpm, agent, company, words, message):
    company.appliance("Radio", ApplianceKind.OTHER)
    code, _, error = mpm("agent", "give", "umeme", agent, *words)
    assert (code, error) == (2, f"Error: {message}\n")
