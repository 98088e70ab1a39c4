"""A raw gateway client: it shows every payload and hides nothing that a library would smooth over."""

import asyncio
import json
import zlib

import websockets

ALL_INTENTS = 53608447
DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, RESUME, RECONNECT, INVALID_SESSION, HELLO, ACK = 0, 1, 2, 3, 6, 7, 9, 10, 11


class Closed(Exception):
    def __init__(self, code, reason):
        super().__init__(f"closed with {code} {reason}")
        self.code = code


class Gateway:
    """One connection. `session_id` and `sequence` are what a RESUME on another needs."""

    def __init__(self, socket, compressed):
        self.socket = socket
        self.inflater = zlib.decompressobj() if compressed else None
        self.sequence = None
        self.session_id = None
        self.resume_url = None
        self.user_id = None
        self.guild_ids = []
        # Every payload received, in order.
        self.payloads = []
        self.hello = None

    @classmethod
    async def connect(cls, url, *, compressed=False, query="?v=10&encoding=json"):
        if compressed:
            query += "&compress=zlib-stream"
        socket = await websockets.connect(url.rstrip("/") + "/" * (url.count("/") < 3) + query, max_size=None,
                                          compression=None, open_timeout=20, ping_interval=None)
        gateway = cls(socket, compressed)
        gateway.hello = await gateway.receive()
        assert gateway.hello["op"] == HELLO and gateway.hello["d"]["heartbeat_interval"] == 41250
        return gateway

    async def send(self, op, data):
        await self.send_text(json.dumps({"op": op, "d": data}))

    async def send_text(self, text):
        try:
            await self.socket.send(text)
        except websockets.ConnectionClosed:
            pass  # The close code comes with the next receive.

    async def receive(self, limit=20):
        """The next payload."""
        try:
            async with asyncio.timeout(limit):
                frame = await self.socket.recv()
        except websockets.ConnectionClosed as closed:
            received = closed.rcvd
            raise Closed(received.code if received else 1006, received.reason if received else "") from None
        if self.inflater is not None:
            assert isinstance(frame, bytes) and frame.endswith(b"\x00\x00\xff\xff"), "not a flushed zlib-stream message"
            frame = self.inflater.decompress(frame)
        payload = json.loads(frame)
        self.payloads.append(payload)
        if payload["op"] == DISPATCH:
            assert self.sequence is None or payload["s"] == self.sequence + 1, (
                f"sequence {payload['s']} after {self.sequence}"
            )
            self.sequence = payload["s"]
            if payload["t"] == "READY":
                self.session_id = payload["d"]["session_id"]
                self.resume_url = payload["d"]["resume_gateway_url"]
                self.user_id = payload["d"]["user"]["id"]
                self.guild_ids = [guild["id"] for guild in payload["d"]["guilds"]]
        return payload

    async def event(self, name, limit=20, where=lambda data: True):
        """The next dispatch called `name` whose data satisfies `where`; others are passed over (and kept)."""
        async with asyncio.timeout(limit):
            while True:
                payload = await self.receive(limit)
                if payload["op"] == DISPATCH and payload["t"] == name and where(payload["d"]):
                    return payload["d"]

    async def opcode(self, op, limit=20):
        async with asyncio.timeout(limit):
            while True:
                payload = await self.receive(limit)
                if payload["op"] == op:
                    return payload

    async def identify(self, token, intents=ALL_INTENTS, **more):
        await self.send(IDENTIFY, {
            "token": token, "intents": intents,
            "properties": {"os": "linux", "browser": "guildhall-tests", "device": "guildhall-tests"}, **more,
        })
        return self

    async def ready(self):
        """Waits for READY and the GUILD_CREATE of each of its guilds; returns those by id."""
        await self.event("READY")
        missing = set(self.guild_ids)
        guilds = {}
        while missing:
            guild = await self.event("GUILD_CREATE", where=lambda data: data["id"] in missing)
            missing.discard(guild["id"])
            guilds[guild["id"]] = guild
        return guilds

    async def resume(self, token, session_id, sequence):
        self.session_id = session_id
        self.sequence = sequence
        await self.send(RESUME, {"token": token, "session_id": session_id, "seq": sequence})

    async def close_code(self, limit=20):
        """Reads until the other side closes; returns the code."""
        try:
            async with asyncio.timeout(limit):
                while True:
                    await self.receive(limit)
        except Closed as closed:
            return closed.code

    async def close(self, code=1000):
        await self.socket.close(code)

    def cut(self):
        """Ends the connection without a close frame."""
        self.socket.transport.abort()

    def dispatches(self, name):
        return [payload["d"] for payload in self.payloads if payload["op"] == DISPATCH and payload["t"] == name]
