"""Connections that are slow, silent, huge or nonsense: each is ended, and the others do not notice."""

import asyncio
import time

import pytest


async def raw(cluster, data, limit=90):
    """Sends bytes and reads to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.port)
    try:
        writer.write(data)
        await writer.drain()
        async with asyncio.timeout(limit):
            return await reader.read(1 << 20)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None


def shown(conformance, method, path, answer):
    """Shows a raw answer to the conformance checks like any other."""
    head, _, body = answer.partition(b"\r\n\r\n")
    headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    headers = {name.lower(): value for name, value in headers.items()}
    content_type = headers.get(b"content-type", b"").decode() or None
    if content_type == "application/json":
        conformance.check(method, path, status_of(answer), content_type, body)


async def test_a_slow_loris_is_ended_while_others_are_served(cluster, people):
    user = await people.user()
    loris = []
    for _ in range(50):
        reader, writer = await asyncio.open_connection("127.0.0.1", cluster.port)
        writer.write(b"GET /api/v10/gateway HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        loris.append((reader, writer))
    started = time.monotonic()

    async def drip(reader, writer):
        ended = asyncio.create_task(reader.read())
        try:
            while not ended.done() and time.monotonic() < started + 60:
                writer.write(b"a")
                await writer.drain()
                await asyncio.wait({ended}, timeout=0.5)
        except ConnectionError:
            pass
        assert ended.done(), "a head that never ends is still open after 60 s"
        if ended.exception() is None and ended.result():
            assert status_of(ended.result()) == 408
        writer.close()

    dripping = [asyncio.create_task(drip(*connection)) for connection in loris]
    latencies = []
    for _ in range(20):
        begun = time.monotonic()
        await user.rest.get("/users/@me")
        latencies.append(time.monotonic() - begun)
    assert sorted(latencies)[10] < 1
    await asyncio.gather(*dripping)


async def test_a_body_that_never_comes_is_ended(cluster):
    head = b"POST /api/v10/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    answer = await raw(cluster, head)
    assert status_of(answer) in (408, None)


@pytest.mark.parametrize("data, statuses", [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (400, None)),
    (b"GET / HTTP/9.9\r\n\r\n", (400, 505, None)),
    (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (400, 404, 414, 431, None)),
    (b"GET /api/v10/gateway HTTP/1.1\r\n" + b"X-A: " + b"b" * 200_000 + b"\r\n\r\n", (400, 431, None)),
    (b"GET /api/v10/gateway HTTP/1.1\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n", (400, 431, None)),
    (b"POST /api/v10/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     (400, 411, None)),
    (b"POST /api/v10/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", (400, 413, None)),
])
async def test_nonsense_is_answered_or_cut_and_the_router_lives(cluster, people, conformance, data, statuses):
    pid = cluster.pid("router-1")
    answer = await raw(cluster, data, limit=60)
    assert status_of(answer) in statuses, answer[:300]
    if answer:
        shown(conformance, "GET", "/nonsense", answer)
    assert (await people.rest.get("/gateway")).json["url"]
    assert cluster.pid("router-1") == pid


async def test_a_thousand_connections_that_say_nothing_do_no_harm(cluster, people):
    connections = [await asyncio.open_connection("127.0.0.1", cluster.port) for _ in range(1000)]
    try:
        begun = time.monotonic()
        await people.rest.get("/gateway")
        assert time.monotonic() - begun < 2
    finally:
        for _, writer in connections:
            writer.close()


async def test_websocket_upgrades_that_are_none_are_refused(cluster):
    for data in (
        b"GET /gateway HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /gateway HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
        b"GET /gateway HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 7\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ):
        assert status_of(await raw(cluster, data.replace(b"Host", b"Connection: close\r\nHost", 1)
                                   if b"Upgrade" not in data else data)) in (400, 404, 405, 426)
