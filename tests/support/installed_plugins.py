"""Plugins that exist only in a test: a module and its metadata on a path of their own."""

from __future__ import annotations

import importlib
import sys
import textwrap
from pathlib import Path

import attrs
import pytest

__all__ = ["PluginFolder", "plugin_folder"]

CLASS = """
from typing import ClassVar
import attrs
from mpm_core import *

@attrs.frozen(kw_only=True)
class Settings:
    {settings}

class Plugin:
    manifest: ClassVar[Manifest] = Manifest({manifest})

    def __init__(self, settings, runtime):
        self.settings, self.runtime = settings, runtime
        {init}

    {hooks}
"""
KINDS = {
    "telecom": "kind=PluginKind.TELECOM, callback_paths=('pay',)",
    "manufacturer": "kind=PluginKind.MANUFACTURER, device_kinds={DeviceKind.METER}",
    "messenger": "kind=PluginKind.MESSENGER",
}
HOOKS = {
    "telecom": """
        @hookimpl
        def mpm_read_call(self, call):
            raise Malformed("never")

        @hookimpl
        def mpm_write_reply(self, call, request, verdict):
            return Reply(content_type="text/plain", body=b"")
    """,
    "manufacturer": "",
    "messenger": """
        @hookimpl
        def mpm_send_message(self, message):
            return MessageReceipt(status=MessageStatus.SENT)
    """,
}


@attrs.frozen(kw_only=True)
class PluginFolder:
    """A folder of installed plugins, on the path of this process; `path` is for children."""

    path: Path

    def install(  # one argument per thing a test may want to be wrong
        self,
        name,
        *,
        kind="manufacturer",
        manifest="",
        settings="pass",
        init="pass",
        hooks="",
        code=None,
        version="1.2",
        requires="mpm-payg-core>=0.1,<0.2",
    ):
        """Install a distribution `mpm-<name>` with one plugin; return its module's name."""
        module = f"mpm_{name.replace('-', '_')}_of_a_test"
        if code is None:
            code = CLASS.format(
                settings=_indented(settings, 4),
                manifest=", ".join(
                    filter(
                        None,
                        [f"title='{name.title()}', settings_class=Settings", KINDS[kind], manifest],
                    )
                ),
                init=_indented(init, 8),
                hooks=_indented(HOOKS[kind], 4) + "\n    " + _indented(hooks, 4),
            )
        (self.path / f"{module}.py").write_text(code)
        information = self.path / f"mpm_{name.replace('-', '_')}-{version}.dist-info"
        information.mkdir(exist_ok=True)
        (information / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: mpm-{name}\nVersion: {version}\n"
            "Summary: Made for a test\n"
            f"Requires-Dist: {requires}\n"
        )
        (information / "entry_points.txt").write_text(
            f"[mpm_core.plugins]\n{name} = {module}:Plugin\n"
        )
        importlib.invalidate_caches()
        sys.modules.pop(module, None)
        return module


def _indented(text, columns):
    return textwrap.indent(textwrap.dedent(text).strip(), " " * columns).strip()


@pytest.fixture
def plugin_folder(tmp_path, monkeypatch):
    """An empty folder of plugins, on the path until the test ends."""
    path = tmp_path / "plugins"
    path.mkdir()
    monkeypatch.syspath_prepend(path)
    yield PluginFolder(path=path)
    for name in [name for name in sys.modules if name.endswith("_of_a_test")]:
        del sys.modules[name]
