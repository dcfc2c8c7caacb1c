"""`mpm pay`: what it says when it cannot pay; that it pays is shown by the pages and the demo."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import choose_plugin

CONFIG = """
[companies.umeme]
name = "Umeme"
country = "TZ"
currency = "TZS"
[companies.umeme.plugins.vodacom]
api_key = "vodacom-simulator-only"
[companies.umeme.plugins.calin]
api_url = "http://127.0.0.1:9/calin"
user_id = "u"
api_key = "k"
[companies.umeme.plugins.north]
use = "stranger"
"""
PAYMENT = {"--serial": "47001234567", "--amount": "1000", "--msisdn": "0712345678"}
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def pay(command_line):
    """Pay, with an option in another way if given; returns exit code and standard error."""
    command_line("init")
    with Path("mpm.toml").open("a") as config:
        config.write(CONFIG)
    assert command_line("company", "reconcile").exit_code == 0

    def run(slug="umeme", instance="vodacom", **changed):
        options = (
            PAYMENT | {"--url": NOBODY} | {f"--{name}": text for name, text in changed.items()}
        )
        ended = command_line(
            "pay", slug, instance, *(word for pair in options.items() for word in pair)
        )
        assert ended.output == ""
        return ended.exit_code, ended.errors

    return run


@pytest.mark.parametrize(
    ("given", "error"),
    [
        pytest.param(
            {"slug": "other"},
            "There is no company 'other'; `mpm company list` shows those there are.",
            id="company",
        ),
        pytest.param(
            {"instance": "airtel"},
            "Company 'umeme' has no instance 'airtel'; `mpm company show umeme` shows those it "
            "has.",
            id="instance",
        ),
        pytest.param(
            {"instance": "calin"},
            "Instance 'calin' of company 'umeme' is a manufacturer; name a telecom's, see "
            "`mpm company show umeme`.",
            id="no telecom",
        ),
        pytest.param(
            {"instance": "north"},
            "Plugin 'stranger' is not installed; correct its name, or install it and add it to "
            "allowed_plugins in mpm.toml.",
            id="not installed",
        ),
        pytest.param(
            {"amount": "1e3"},
            "--amount: '1e3' is not an amount; write digits such as 1000 or 199.50.",
            id="amount",
        ),
        *(
            pytest.param(
                {"url": url},
                f"--url: {url!r} is no URL; write for example http://127.0.0.1:8000.",
                id=f"url {url}",
            )
            for url in (
                "nonsense",
                "ftp://h",
                "http://",
                "http://[",
                "http://h:99999",
                "http://h:0",
            )
        ),
        pytest.param(
            {},
            "Nobody answers at http://127.0.0.1:9 (ConnectError); start `mpm serve` or give --url.",
            id="nobody there",
        ),
    ],
)
def test_what_cannot_be_paid_is_one_plain_line(pay, given, error):
    assert pay(**given) == (2, f"Error: {error}\n")


@pytest.mark.parametrize("state", ["unconfigured", "removed"])
def test_what_is_not_in_use_cannot_be_paid(command_line, state):
    command_line("init")
    command_line(
        "company", "create", "solar", "--name", "Solar", "--country", "TZ", "--currency", "TZS"
    )
    choose_plugin("solar", "vodacom")
    if state == "removed":
        command_line("company", "remove", "solar", "vodacom")

    options = (word for pair in PAYMENT.items() for word in pair)
    ended = command_line("pay", "solar", "vodacom", "--url", NOBODY, *options)

    assert (ended.exit_code, ended.output, ended.errors) == (
        2,
        "",
        (
            f"Error: Company 'solar': instance 'vodacom' is {state}; `mpm company enable solar "
            "vodacom` takes its settings and lets it work.\n"
        ),
    )
