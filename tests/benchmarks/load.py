"""A load generator in a process of its own: prepared requests over kept connections."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from urllib.parse import urlsplit

__all__ = ["Prepared", "requests_per_second"]

Prepared = tuple[Mapping[str, str], bytes]  # headers, body


def requests_per_second(url: str, requests: Sequence[Prepared], *, connections: int) -> float:
    """Post everything and return the rate.

    Raises:
        RuntimeError: an answer was not 200 or did not say yes.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_post_all, url, requests, connections).result(300)


def _post_all(url: str, requests: Sequence[Prepared], connections: int) -> float:
    where = urlsplit(url)
    raw = [_render(where.path, headers, body) for headers, body in requests]
    return asyncio.run(_run(str(where.hostname), int(where.port or 80), raw, connections))


def _render(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: bench", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _run(host: str, port: int, raw: Sequence[bytes], connections: int) -> float:
    began = time.perf_counter()
    await asyncio.gather(*(_talk(host, port, raw[n::connections]) for n in range(connections)))
    return len(raw) / (time.perf_counter() - began)


async def _talk(host: str, port: int, requests: Sequence[bytes]) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        if b" 200 " not in head[:16] or b"<STATUS>200</STATUS>" not in body:
            raise RuntimeError(f"The server answered {head!r} {body!r}")
    writer.close()
