"""`mpm sandbox`: what it prints works when it is pasted, the first time and the second."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import httpx
import pytest

from mpm_core import Manifest, PluginKind
from mpm_host.commands.sandbox_sections import Sandboxed, sections
from mpm_host.configuration.config import load_config
from tests.support.order_bench import NoSettings

PATIENCE = 60


@contextlib.contextmanager
def sandbox(*options):
    """Run it as a program of its own; yields what it printed until it was ready."""
    with Path("sandbox.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mpm_host", "sandbox", "--port", "0", *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + PATIENCE
        while "Ctrl-C ends." not in (printed := Path("sandbox.log").read_text()):
            assert process.poll() is None, printed
            assert time.monotonic() < until, printed
            time.sleep(0.05)
        yield printed
    finally:
        process.terminate()
        process.wait(PATIENCE)


def paste(printed):
    with Path("mpm.toml").open("a") as config:
        config.write(printed)


def curl(line):
    """Do what a printed command line says."""
    words = shlex.split(line.removeprefix("#"))
    assert (words[:2], words[3]) == (["curl", "-s"], "-d")
    return httpx.post(words[2], content=words[4], trust_env=False)


def test_what_is_printed_works_when_it_is_pasted(command_line):
    command_line("init")

    with sandbox() as printed:
        paste(printed)
        reconciled = command_line("company", "reconcile")
        looked = command_line("doctor", "--json")

    assert (reconciled.exit_code, reconciled.errors) == (0, "")
    allowed = load_config(Path("mpm.toml"), {}).host.allowed_plugins
    found = {each["instance"]: each for each in json.loads(looked.output)["findings"]}
    assert {name: each["reachable"] for name, each in found.items()} == dict.fromkeys(allowed, True)
    assert looked.exit_code == 0


def test_what_is_printed_can_be_pasted_twice(command_line):
    command_line("init")
    with sandbox() as printed:
        paste(printed)
    once = tomllib.loads(Path("mpm.toml").read_text())

    with sandbox() as printed:
        paste(printed)

    assert tomllib.loads(Path("mpm.toml").read_text()) == once
    assert "# [companies.sandbox.plugins.calin]\n# api_url = " in printed


def test_a_company_that_is_there_gets_only_what_it_lacks(command_line):
    command_line("init")
    declared = (
        '[companies.umeme]\nname = "Umeme"\ncountry = "TZ"\ncurrency = "TZS"\n'
        '[companies.umeme.plugins.vodacom]\napi_key = "long enough to be a key"\n'
    )
    paste(declared)

    with sandbox("--company", "umeme") as printed:
        paste(printed)

    company = tomllib.loads(Path("mpm.toml").read_text())["companies"]["umeme"]
    assert company["name"] == "Umeme"
    assert company["plugins"]["vodacom"] == {"api_key": "long enough to be a key"}
    assert company["plugins"]["calin"]["api_key"] == "simulated-calin-key"
    assert command_line("company", "reconcile").exit_code == 0


def test_devices_are_made_known_as_the_sandbox_says(command_line):
    command_line("init")

    with sandbox() as printed:
        example = re.search(r"# It knows device (47\d+)\.", printed)[1]
        [line] = re.findall(r"#   curl -s \S+/calin/devices.*", printed)
        answered = curl(line.replace("SERIAL", "47001234567"))
        door = re.search(r"control: (\S+)/NAME", printed)[1]
        shown = [
            httpx.post(
                f"{door}/calin/tokens", json={"serial": serial, "code": "1"}, trust_env=False
            ).json()["shows"]
            for serial in (example, "47001234567", "47009999999")
        ]

    assert answered.status_code == 204
    known, told, unknown = shown
    assert known == told != unknown


def test_faults_are_switched_as_the_sandbox_says(command_line):
    command_line("init")

    with sandbox() as printed:
        [on] = re.findall(r"#   curl -s \S+/NAME/faults -d .*", printed)
        [off] = re.findall(r"#   curl -s -X DELETE (\S+/NAME/faults)", printed)
        vendor = re.search(r'api_url = "(\S+/calin\S*)"', printed)[1]
        on = on.replace("NAME", "calin").replace("FAULT", "unavailable")
        on = on.replace(', "serial": "SERIAL"', "")
        done = [curl(on)]
        once = [asked(vendor), asked(vendor)]
        done += [curl(on), httpx.delete(off.replace("NAME", "calin"), trust_env=False)]
        never = asked(vendor)

    assert [answer.status_code for answer in done] == [204, 204, 204]
    assert once == [503, never]
    assert never != 503


def asked(url):
    """Return the status that a vendor answers a request for a token with."""
    return httpx.post(f"{url}/tokennew", json={}, trust_env=False).status_code


class Odd:
    """A simulator whose settings are of every type that TOML has a word for."""

    def settings(self, base_url):
        return {
            "api_url": base_url,
            "live": True,
            "tries": 3,
            "words": ["a", 'b "c"'],
            "path": "C:\\keys",
            "unset": None,
        }

    def faults(self):
        return ()


def odd(**manifest):
    declared = {"kind": PluginKind.MESSENGER, "title": "Odd", "settings_class": NoSettings}
    return Sandboxed(
        name="odd",
        manifest=Manifest(**declared | manifest),
        simulator=Odd(),
        url="http://127.0.0.1:9/odd",
        control_url="http://127.0.0.1:9/_control/odd",
    )


def test_settings_of_every_type_are_written_as_toml_wants_them():
    written = tomllib.loads("\n".join(sections("sandbox", {}, (odd(),))))

    assert written["companies"]["sandbox"]["plugins"]["odd"] == {
        "api_url": "http://127.0.0.1:9/odd",
        "live": True,
        "tries": 3,
        "words": ["a", 'b "c"'],
        "path": "C:\\keys",
    }


MAKER = {"kind": PluginKind.MANUFACTURER, "device_kinds": {"meter"}}


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        pytest.param({}, ["# odd: Odd"], id="messenger"),
        pytest.param(
            MAKER,
            [
                "# odd: Odd",
                "# It must be told of a device before that is paid:",
                '#   curl -s http://127.0.0.1:9/_control/odd/devices -d \'{"serial": "SERIAL"}\'',
            ],
            id="manufacturer without an example",
        ),
        pytest.param(
            MAKER | {"example_serial": "47", "example_details": {"key": "k"}},
            [
                "# odd: Odd",
                "# It knows device 47. It must be told of any other before that is paid:",
                '#   curl -s http://127.0.0.1:9/_control/odd/devices -d \'{"serial": "SERIAL"}\'',
                '# Its devices are registered with these details: {"key": "k"}',
            ],
            id="manufacturer with an example",
        ),
    ],
)
def test_each_simulator_is_introduced(manifest, said):
    lines = list(sections("sandbox", {}, (odd(**manifest),)))

    assert lines[5 : lines.index("[companies.sandbox.plugins.odd]")] == said


@pytest.mark.parametrize(
    ("options", "config", "error"),
    [
        pytest.param(
            ("--company", "Um"),
            'mode = "development"\n',
            "--company: 'Um' cannot be a slug; write a small letter, then up to 62 small letters, "
            "digits or hyphens.",
            id="no slug",
        ),
        pytest.param(
            (),
            'mode = "development"\nallowed_plugins = ["calin", "stranger"]\n',
            "Plugin 'stranger' is not installed; installed are: ",
            id="not installed",
        ),
        pytest.param(
            (),
            'mode = "production"\n',
            '[host] mode is "production"; simulators work in development only.',
            id="production",
        ),
    ],
)
def test_the_sandbox_refuses_in_plain_words(command_line, options, config, error):
    Path("mpm.toml").write_text(
        f'[host]\ndatabase = "sqlite:///mpm.db"\nsecret_key = "a key"\n{config}'
    )
    Path("mpm.toml").chmod(0o600)

    ended = command_line("sandbox", *options)

    assert ended.exit_code == 2
    assert ended.errors.startswith(f"Error: {error}")
    assert ended.errors.count("\n") == 1
