"""Follows a page of the documentation as its reader does: types, writes files, sends requests.

Four kinds of blocks are steps, in the order of the page; every other block is only read.

* `console`: each line after `$ ` is typed; the lines below it must be printed, in this order.
  With `sqlite` beside it only where the database is one.
* `toml` and `csv` with a file name beside: the file is written so.
* `http`: a request line, perhaps headers, perhaps a body; then, after an empty line, the status
  and the answer. `"…"` stands for any value, `…` among members or items for more of them, and a
  name such as `"<meter>"` for a value that later requests use under this name.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
import httpx

__all__ = ["Block", "Walker", "blocks_of", "walking"]

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_WAITED_FOR = ("mpm payments", "mpm messages")  # what shows background work
_STAYS = ("mpm serve", "mpm sandbox")
_ANY = "…"
_PATIENCE = 30.0  # seconds, for programs to start and for background work
_HOST, _SANDBOX = "127.0.0.1:8000", "127.0.0.1:9000"


@attrs.frozen
class Block:
    """One block of a page, with the line it begins at."""

    kind: str
    name: str
    text: str
    place: str


def blocks_of(page: str) -> list[Block]:
    """Return the blocks of a page below docs/ that name their language."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [
        Block(
            found[1],
            found[2] or "",
            found[3],
            f"{page}:{text.count(chr(10), 0, found.start()) + 1}",
        )
        for found in _BLOCK.finditer(text)
    ]


def _free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@contextlib.contextmanager
def walking(folder: Path, database_url: str) -> Iterator[Walker]:
    """Return a walker in an empty folder; what it leaves running is ended with the block."""
    addresses = {_HOST: _free_address(), _SANDBOX: _free_address()}
    with contextlib.ExitStack() as stack, httpx.Client(timeout=30, trust_env=False) as client:
        yield Walker(
            folder=folder, database_url=database_url, addresses=addresses, http=client, stack=stack
        )


@attrs.define(kw_only=True)
class Walker:
    """Walks along blocks.

    Attributes:
        addresses: of this walk, by the ones the page shows.
        kept: values by the names the page gives them.
    """

    folder: Path
    database_url: str
    addresses: Mapping[str, str]
    http: httpx.Client
    stack: contextlib.ExitStack
    kept: dict[str, str] = attrs.field(factory=dict)

    def follow(self, block: Block) -> None:
        """Do what one block says."""
        if block.kind == "console":
            if block.name and not self.database_url.startswith(block.name):
                return
            for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                line, *printed = re.sub(r"\\\n\s*", "", part).splitlines()
                self._type(line, printed, block.place)
        elif block.kind == "http":
            self._send(block)
        elif block.name:
            self._write(self.folder / block.name, block.text)

    def _here(self, text: str) -> str:
        """Write a text of the page as it is in this walk."""
        for shown, real in self.addresses.items():
            text = text.replace(shown, real)
        for name, value in self.kept.items():
            text = text.replace(f"<{name}>", value)
        return text

    def _write(self, path: Path, text: str) -> None:
        """Write a file as the page shows it, with the database and addresses of this walk."""
        text = re.sub(
            r'^database = "[^"]*"', f'database = "{self.database_url}"', text, flags=re.MULTILINE
        )
        path.write_text(self._here(text), encoding="utf-8")

    # --- what is typed -------------------------------------------------------

    def _type(self, line: str, printed: list[str], place: str) -> None:
        line = self._here(line)
        if line == "mpm init":
            line = f"mpm init --database '{self.database_url}'"
        if line.startswith(("pip install", "#")):
            return  # everything is installed here
        if line.partition(" #")[0].strip() in _STAYS:
            self._start(line.partition(" #")[0].split(), printed)
            return
        until = time.monotonic() + (_PATIENCE if line.startswith(_WAITED_FOR) else 0)
        while not self._prints(output := self._run(line), printed):
            assert time.monotonic() < until, f"{place}: $ {line}\nprinted otherwise:\n{output}"
            time.sleep(0.2)  # background work is under way
        if line.startswith("mpm init"):
            config = self.folder / "mpm.toml"
            self._write(config, config.read_text(encoding="utf-8"))

    def _prints(self, output: str, printed: list[str]) -> bool:
        for line in printed:
            pattern = ".*".join(re.escape(part.strip()) for part in self._here(line).split(_ANY))
            found = re.search(re.sub(r"(\\ )+", r"\\s+", pattern), output)
            if found is None:
                return False
            output = output[found.end() :]
        return True

    @property
    def _environment(self) -> Mapping[str, str]:
        commands = str(Path(sys.executable).parent)
        return os.environ | {
            "PATH": f"{commands}:{os.environ['PATH']}",
            "COLUMNS": "200",
            "NO_PROXY": "127.0.0.1",
        }

    def _run(self, line: str) -> str:
        done = subprocess.run(  # as a reader types it; the page is ours
            ["/bin/bash", "-c", f"set -o pipefail; {line}"],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"$ {line}\nended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def _start(self, words: list[str], printed: list[str]) -> None:
        """Leave a program running, as in a terminal of its own."""
        address = self.addresses[_HOST if words[1] == "serve" else _SANDBOX]
        port = address.rpartition(":")[2]
        log = self.folder / f"{words[1]}.log"
        output = self.stack.enter_context(log.open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-m", "mpm_host", *words[1:], "--port", port],
            cwd=self.folder,
            env=self._environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        self.stack.callback(_end, process)
        until = time.monotonic() + _PATIENCE
        while not self._prints(log.read_text(), printed) or not _answers(address):
            assert time.monotonic() < until, f"$ {shlex.join(words)}:\n{log.read_text()[-3000:]}"
            assert process.poll() is None, log.read_text()[-3000:]
            time.sleep(0.05)

    # --- what is sent --------------------------------------------------------

    def _send(self, block: Block) -> None:
        """Send a request until it is answered as shown: background work may take a moment."""
        asked, _, shown = block.text.partition("\n\n")
        status, _, expected = shown.partition("\n")
        method, path, headers, body = self._request(asked)
        until = time.monotonic() + (_PATIENCE if method == "GET" else 0)
        while True:
            answer = self.http.request(method, path, headers=headers, content=body)
            difference = self._difference(answer, int(status), expected.strip())
            if difference is None:
                return
            where = f"{block.place}: {method} {path} was answered {answer.status_code}"
            assert time.monotonic() < until, f"{where}, {difference}:\n{answer.text}"
            time.sleep(0.1)

    def _request(self, text: str) -> tuple[str, str, dict[str, str], bytes | None]:
        first, *more = self._here(text).splitlines()
        method, path = first.split()
        headers: dict[str, str] = {}
        while more and re.match(r"[A-Za-z-]+: ", more[0]):
            name, _, value = more.pop(0).partition(": ")
            headers[name] = value
        if "key" in self.kept and "Authorization" not in headers:
            headers["Authorization"] = f"Bearer {self.kept['key']}"
        if more:
            headers.setdefault("Content-Type", "application/json")
        body = "\n".join(more).encode() if more else None
        return method, f"http://{self.addresses[_HOST]}/api/v1{path}", headers, body

    def _difference(self, answer: httpx.Response, status: int, expected: str) -> str | None:
        if answer.status_code != status:
            return f"not {status}"
        if not expected:
            return None
        if not expected.startswith(("{", "[")):
            return None if self._prints(answer.text, expected.splitlines()) else "in other words"
        names: dict[str, str] = {}
        place = _differs(_read_shown(self._here(expected)), answer.json(), names, "answer")
        if place is None:
            self.kept.update(names)
        return place


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()


def _answers(address: str) -> bool:
    host, _, port = address.partition(":")
    with contextlib.closing(socket.socket()) as caller:
        return caller.connect_ex((host, int(port))) == 0


def _read_shown(text: str) -> object:
    """Read JSON in which a bare `…` stands for more members or items."""
    text = re.sub(r"(?<=[{,])\s*…\s*(?=\})", f'"{_ANY}": "{_ANY}"', text)
    return json.loads(re.sub(r"(?<=[\[,])\s*…\s*(?=\])", f'"{_ANY}"', text))


def _differs(shown: object, real: object, names: dict[str, str], place: str) -> str | None:
    """Return where an answer is not what is shown; keeps what the page names."""
    if shown == _ANY or (shown == real and type(shown) is type(real)):
        return None
    if isinstance(shown, dict) and isinstance(real, dict):
        return _differing_member(shown, real, names, place)
    if isinstance(shown, list) and isinstance(real, list):
        return _differing_item(shown, real, names, place)
    if isinstance(shown, str) and isinstance(real, str):
        if name := re.fullmatch(r"<([a-z ]+)>", shown):
            names[name[1]] = real
            return None
        if re.fullmatch(".*".join(re.escape(part) for part in shown.split(_ANY)), real, re.DOTALL):
            return None
    return f"{place} is {real!r}, not {shown!r}"


def _differing_member(
    shown: Mapping[str, object], real: Mapping[str, object], names: dict[str, str], place: str
) -> str | None:
    if _ANY not in shown and shown.keys() != real.keys():
        return f"{place} has the members {sorted(real)}, not {sorted(shown)}"
    for name in shown.keys() - {_ANY}:
        if name not in real:
            return f"{place} has no {name}"
        if found := _differs(shown[name], real[name], names, f"{place}.{name}"):
            return found
    return None


def _differing_item(
    shown: list[object], real: list[object], names: dict[str, str], place: str
) -> str | None:
    goes_on = shown[-1:] == [_ANY]
    given = shown[:-1] if goes_on else shown
    if len(real) < len(given) or (len(real) > len(given) and not goes_on):
        return f"{place} has {len(real)} items, not {len(given)}"
    for number, (one, other) in enumerate(zip(given, real, strict=False)):
        if found := _differs(one, other, names, f"{place}[{number}]"):
            return found
    return None
