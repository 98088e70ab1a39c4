"""Writers and readers: they keep an account of every call, for the checker."""

import asyncio
import secrets
import time
from array import array

import aiohttp

from chaos.record import Outcome, Reading, Write
from chaos.world import API

# These say that nothing was done. 504 does so as well (decision 014); 503 comes from before the owner of the data.
UNREACHABLE = "no connection"
# Among them those that may be otherwise a moment later.
PASSING_REFUSALS = {429, 503, 504, UNREACHABLE}
CERTAIN_REFUSALS = {400, 401, 403, 404, 405, 413, 429, 503, 504, UNREACHABLE}
# The connection broke, or time ran out, before a whole answer had come.
BROKEN = "broken connection"
# How long one attempt may take: the router answers before, by its own deadline.
CALL_LIMIT = 30
# How long a writer with a nonce goes on trying; the cluster remembers a nonce for 300 s.
NONCE_PATIENCE = 180
RETRY_PAUSE = 0.1
PAGE = 50
HISTORY_FAILURES = 30


class Load:
    """One writer a channel, each with one message under way at a time, and readers of the newest pages."""

    def __init__(self, cluster, world, *, rate, readers, choice, run):
        self.cluster = cluster
        self.world = world
        self.run = run
        self.choice = choice
        self.pause = len(world.guild_of) / rate
        self.readers = readers
        self.stopping = asyncio.Event()
        self.tasks = []
        # Status, or BROKEN or UNREACHABLE -> how many attempts ended so.
        self.statuses = {}
        self.read_failures = 0
        # The latest acknowledged message of each channel.
        self.newest = {}
        headers = {"Authorization": world.token}
        self.session = aiohttp.ClientSession(
            headers=headers, timeout=aiohttp.ClientTimeout(total=CALL_LIMIT, sock_connect=5),
            connector=aiohttp.TCPConnector(limit=0))

    def start(self):
        for number, channel in enumerate(self.world.guild_of):
            self.tasks.append(asyncio.create_task(self._write(channel, has_nonce=number % 2 == 0)))
        for _ in range(self.readers):
            self.tasks.append(asyncio.create_task(self._read()))

    async def stop(self):
        self.stopping.set()
        results = await asyncio.gather(*self.tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def close(self):
        await self.session.close()

    async def _rest(self, seconds):
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            pass

    # MARK: Writing

    async def _write(self, channel, has_nonce):
        writer = f"w{channel}"
        sequence = 0
        await self._rest(self.choice.random() * self.pause)
        while not self.stopping.is_set():
            sequence += 1
            begun = time.monotonic()
            await self.write_one(writer, sequence, channel, has_nonce)
            await self._rest(max(0, self.pause * (0.5 + self.choice.random()) - (time.monotonic() - begun)))

    async def write_one(self, writer, sequence, channel, has_nonce, patience=NONCE_PATIENCE):
        """Sends one message, until it is answered when it has a nonce, and keeps what came of it."""
        body = {"content": f"{writer} {sequence}"}
        if has_nonce:
            body |= {"nonce": secrets.token_hex(12), "enforce_nonce": True}
        write = Write(writer, sequence, channel, body["content"], Outcome.UNKNOWN, time.monotonic(), 0,
                      has_nonce=has_nonce, attempts=0)
        is_certain = True
        while True:
            write.attempts += 1
            status, message = await self._attempt(channel, body)
            outcome = self._outcome(status)
            write.ended = time.monotonic()
            # One attempt of unknown outcome makes the whole call unknown, whatever refusals come later.
            is_certain = is_certain and outcome is not Outcome.UNKNOWN
            if outcome is Outcome.ACKNOWLEDGED:
                write.outcome, write.message = outcome, message
                self.newest[channel] = message
                break
            if outcome is Outcome.REFUSED and status not in PASSING_REFUSALS:
                has_nonce = False
            if not has_nonce or write.ended - write.begun > patience:
                write.outcome = Outcome.REFUSED if is_certain else Outcome.UNKNOWN
                break
            await asyncio.sleep(RETRY_PAUSE)
        self.run.writes.append(write)
        return write

    async def _attempt(self, channel, body):
        status, message = BROKEN, None
        try:
            async with self.session.post(f"{self.cluster.url}{API}/channels/{channel}/messages", json=body) as response:
                status = response.status
                answer = await response.json(content_type=None)
                if status == 200:
                    message = int(answer["id"])
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            status = UNREACHABLE
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            status = BROKEN
        self.statuses[status] = self.statuses.get(status, 0) + 1
        return status, message

    @staticmethod
    def _outcome(status):
        if status == 200:
            return Outcome.ACKNOWLEDGED
        return Outcome.REFUSED if status in CERTAIN_REFUSALS else Outcome.UNKNOWN

    # MARK: Reading

    async def _read(self):
        channels = list(self.world.guild_of)
        while not self.stopping.is_set():
            channel = self.choice.choice(channels)
            begun = time.monotonic()
            _, page = await self.page(channel, {"limit": PAGE})
            if page is None:
                self.read_failures += 1
                await self._rest(RETRY_PAUSE)
            else:
                ids = array("Q", [identifier for identifier, _ in page])
                self.run.readings.append(Reading(channel, begun, time.monotonic(), PAGE, ids))
            await self._rest(self.choice.random() * 0.4)

    async def page(self, channel, query):
        """Status, or BROKEN, and the page as (id, content), newest first; None when the cluster did not give it."""
        try:
            url = f"{self.cluster.url}{API}/channels/{channel}/messages"
            async with self.session.get(url, params=query) as response:
                if response.status == 200:
                    return 200, [(int(message["id"]), message["content"]) for message in await response.json()]
                return response.status, None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return BROKEN, None

    async def history(self, channel):
        """The whole channel, oldest first; raises when it cannot be read, although the cluster is whole again."""
        found, query = [], {"limit": 100}
        failures = 0
        while True:
            status, page = await self.page(channel, query)
            if page is None:
                failures += 1
                if failures > HISTORY_FAILURES or status in CERTAIN_REFUSALS - PASSING_REFUSALS:
                    raise RuntimeError(f"the history of {channel} cannot be read: {status}")
                await asyncio.sleep(1)
                continue
            found += page
            if len(page) < 100:
                return found[::-1]
            query = {"limit": 100, "before": page[-1][0]}
