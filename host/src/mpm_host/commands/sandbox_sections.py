"""What `mpm sandbox` prints: sections that work when they are pasted into `mpm.toml` as they are.

Everything else it says stands in comments, and so do sections that the file has already, because
TOML takes a section once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import attrs

from mpm_core import Manifest, PluginKind, Simulator
from mpm_core.settings.toml import given_line
from mpm_host.configuration.config_values import CompanyConfig

__all__ = ["Sandboxed", "about_faults", "sections"]

# A company for trying; its currency is one that every simulated telecom takes.
_COMPANY = (("name", "Sandbox"), ("country", "TZ"), ("currency", "TZS"))


@attrs.frozen(kw_only=True)
class Sandboxed:
    """A simulator that is served.

    Attributes:
        name: of its plugin, and of the instance that is printed.
        url: of the simulator.
        control_url: of its control door.
    """

    name: str
    manifest: Manifest
    simulator: Simulator
    url: str
    control_url: str


def sections(
    slug: str, declared: Mapping[str, CompanyConfig], served: tuple[Sandboxed, ...]
) -> Iterator[str]:
    """Write the lines of a company that talks to the simulators.

    Args:
        slug: of the company.
        declared: the companies `mpm.toml` has already.
        served: the simulators.
    """
    known = declared.get(slug)
    yield from _section(f"companies.{slug}", dict(_COMPANY), is_known=known is not None)
    for each in served:
        yield ""
        yield from _about(each)
        yield from _section(
            f"companies.{slug}.plugins.{each.name}",
            each.simulator.settings(each.url),
            is_known=known is not None and each.name in known.instances,
        )


def about_faults(control_url: str) -> Iterator[str]:
    """Write how faults are switched on and off; `NAME` stands for a plugin's name.

    Args:
        control_url: of the control door of all simulators.
    """
    url = f"{control_url}/NAME/faults"
    yield "# Switch a fault of NAME on (without serial: for all; without times: until it is off),"
    yield "# then all of them off:"
    yield f'#   curl -s {url} -d \'{{"fault": "FAULT", "serial": "SERIAL", "times": 1}}\''
    yield f"#   curl -s -X DELETE {url}"


def _section(name: str, values: Mapping[str, object], *, is_known: bool) -> Iterator[str]:
    lines = [f"[{name}]", *(given_line(*each) for each in values.items() if each[1] is not None)]
    if is_known:
        yield "# In your file already, where these are the values for the sandbox:"
    yield from (f"# {line}" if is_known else line for line in lines)


def _about(served: Sandboxed) -> Iterator[str]:
    yield f"# {served.name}: {served.manifest.title}"
    if faults := ", ".join(served.simulator.faults()):
        yield f"# faults: {faults}"
    if served.manifest.kind is not PluginKind.MANUFACTURER:
        return
    if serial := served.manifest.example_serial:
        yield f"# It knows device {serial}. It must be told of any other before that is paid:"
    else:
        yield "# It must be told of a device before that is paid:"
    yield f'#   curl -s {served.control_url}/devices -d \'{{"serial": "SERIAL"}}\''
    if details := served.manifest.example_details:
        yield f"# Its devices are registered with these details: {json.dumps(dict(details))}"
