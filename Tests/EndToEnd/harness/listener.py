"""A raw session that stays: it resumes through whatever happens to its gateway, and keeps an account of what it was told."""

import asyncio

import websockets

from harness.gateway import DISPATCH, INVALID_SESSION, RECONNECT, Closed, Gateway


def gateway_of(session_id):
    """The gateway that a session began at: its id says so."""
    return bytes.fromhex(session_id[32:]).decode()


class Listener:
    def __init__(self, account, session, url):
        self.account = account
        self.session = session
        self.session_id = session.session_id
        self.url = url
        self.messages = []
        self.resumes = 0
        self.reconnects = 0
        self.invalidations = 0
        self.outage = 0.0
        self.lost_at = None
        self.task = asyncio.create_task(self._listen())

    @classmethod
    async def begin(cls, people, account, url, **more):
        return cls(account, await people.connect(account, url=url, **more), url)

    async def _listen(self):
        while True:
            try:
                self._take(await self.session.receive(limit=3600))
            except Closed:
                await self._resume()

    def _take(self, payload):
        if payload["op"] == RECONNECT:
            self.reconnects += 1
        elif payload["op"] == INVALID_SESSION:
            self.invalidations += 1
            raise AssertionError(f"the session of {gateway_of(self.session_id)} is invalid at {self.session.sequence}")
        elif payload["op"] == DISPATCH and payload["t"] == "MESSAGE_CREATE":
            self.messages.append(payload["d"]["id"])

    async def _resume(self):
        """A new connection to whatever gateway there is; it may take some attempts."""
        begun = asyncio.get_running_loop().time()
        sequence = self.session.sequence
        while True:
            try:
                again = await Gateway.connect(self.url)
                await again.resume(self.account.token, self.session_id, sequence)
                while True:
                    payload = await again.receive()
                    self._take(payload)
                    sequence = again.sequence
                    if payload["op"] == DISPATCH and payload["t"] == "RESUMED":
                        break
            except (Closed, OSError, TimeoutError, AssertionError, websockets.WebSocketException) as failure:
                if self.invalidations:
                    raise
                self.failure = failure
                await asyncio.sleep(0.1)
                continue
            self.session = again
            self.resumes += 1
            self.outage = max(self.outage, asyncio.get_running_loop().time() - begun)
            return

    async def until(self, count, limit=40):
        """Waits until it has been told of `count` messages."""
        async with asyncio.timeout(limit):
            while len(self.messages) < count:
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.02)

    async def end(self):
        self.task.cancel()
        await asyncio.wait({self.task})
        await self.session.close()
