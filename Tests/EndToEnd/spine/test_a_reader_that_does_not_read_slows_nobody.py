import asyncio
import json
import socket

import pytest

# More than the 16 MiB that may wait for a connection, and what the kernel's buffers hold besides.
MESSAGES = 1200
# Three bytes a character: 23 KB a message.
BODY = {"content": "語" * 2000, "embeds": [{"description": "語" * 4000}, {"description": "語" * 1800}]}
UPGRADE = (
    b"GET /gateway?v=10&encoding=json HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def client_frame(op, data):
    payload = json.dumps({"op": op, "d": data}).encode()
    return bytes([0x81, 0x80 | 126]) + len(payload).to_bytes(2, "big") + bytes(4) + payload


@pytest.mark.timeout(300)
async def test_a_session_that_does_not_read_is_disconnected_and_the_others_miss_nothing(cluster, people):
    owner, idler = await people.user("owner"), await people.user("idler")
    guild = await people.guild(owner)
    channel = await people.channel(owner, guild)
    await people.join(idler, guild, owner)
    watching = await people.connect(owner)
    silent = socket.socket()
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    silent.connect(("127.0.0.1", cluster.port))
    silent.sendall(UPGRADE)
    identify = {"token": idler.token, "intents": 53608447, "properties": {}, "capabilities": 0}
    silent.sendall(client_frame(2, identify))
    # Its first answer is read, so that the session is there before the flood.
    assert silent.recv(12) == b"HTTP/1.1 101"

    received = []

    async def watch():
        while len(received) < MESSAGES:
            received.append((await watching.event("MESSAGE_CREATE", limit=60))["id"])
            watching.payloads.clear()

    async def flood(count):
        sent = []
        for _ in range(count):
            answer = await owner.rest.post(f"/channels/{channel['id']}/messages", BODY)
            sent.append(answer.json["id"])
        return sent

    watcher = asyncio.create_task(watch())
    lanes = await asyncio.gather(*(flood(MESSAGES // 8) for _ in range(8)))
    await watcher
    assert sorted(received, key=int) == received == sorted(sum(lanes, []), key=int)
    await watching.close()

    silent.settimeout(30)
    size = 0
    try:
        while data := silent.recv(1 << 20):
            size += len(data)
    except ConnectionResetError:
        pass
    silent.close()
    # The end came, and before everything had been sent.
    assert size < MESSAGES * 23_000
