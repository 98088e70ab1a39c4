"""Gateway clients that listen through the whole run: raw WebSockets and a discord.py. They resume after each break."""

import asyncio
import json
import logging

import discord
import websockets
import yarl

from chaos.session_log import SessionLog

HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID_SESSION, HELLO = 1, 2, 6, 7, 9, 10
GUILDS_AND_MESSAGES = 1 << 0 | 1 << 9 | 1 << 15
CONNECT_LIMIT = 10
# A connection on which nothing comes for this long is given up, as real clients do by their heartbeats.
SILENCE_LIMIT = 8
HEARTBEAT_SECONDS = 2.5


class RawListener:
    """A client of our own: it resumes where READY told it to, and cuts its own connection now and then."""

    def __init__(self, bot, url, *, cut_every, choice):
        self.log = SessionLog(bot.name)
        self.token = bot.token
        self.guild_ids = bot.guilds
        self.url = url
        self.cut_every = cut_every
        self.choice = choice
        self.breaks = 0
        self.cuts = 0
        self.stopping = False
        # No more cuts of its own: the run wants to see the end of the stream.
        self.is_calm = False
        self.task = None
        self.socket = None
        self.problems = {}

    def listen(self):
        self.task = asyncio.create_task(self._run(), name=self.log.name)

    async def reconnect(self):
        """Leaves a connection that may be half dead."""
        if self.socket is not None:
            self.socket.transport.abort()

    async def stop(self):
        self.stopping = True
        if self.socket is not None:
            self.socket.transport.abort()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def _run(self):
        while not self.stopping:
            try:
                await self._connection()
            except (OSError, TimeoutError, websockets.WebSocketException, EOFError) as problem:
                name = type(problem).__name__
                self.problems[name] = self.problems.get(name, 0) + 1
            self.breaks += 1
            await asyncio.sleep(0.1 + 0.4 * self.choice.random())

    async def _connection(self):
        url = (self.log.session_id and self.log.resume_url or self.url).rstrip("/")
        url += ("/" if url.count("/") < 3 else "") + "?v=10&encoding=json"
        async with asyncio.timeout(CONNECT_LIMIT):
            self.socket = await websockets.connect(url, max_size=None, compression=None, ping_interval=None)
        helpers = []
        try:
            hello = json.loads(await asyncio.wait_for(self.socket.recv(), CONNECT_LIMIT))
            if hello["op"] != HELLO:
                return
            if self.log.session_id is not None:
                await self._send(RESUME, {
                    "token": self.token, "session_id": self.log.session_id, "seq": self.log.sequence})
            else:
                await self._send(IDENTIFY, {
                    "token": self.token, "intents": GUILDS_AND_MESSAGES,
                    "properties": {"os": "linux", "browser": "chaos", "device": "chaos"}})
            helpers = [asyncio.create_task(self._heartbeats()), asyncio.create_task(self._cut_some_time())]
            while True:
                async with asyncio.timeout(SILENCE_LIMIT):
                    payload = json.loads(await self.socket.recv())
                self.log.feed(payload)
                if payload["op"] in (RECONNECT, INVALID_SESSION):
                    return
        finally:
            for helper in helpers:
                helper.cancel()
            self.socket.transport.abort()

    async def _send(self, op, data):
        await self.socket.send(json.dumps({"op": op, "d": data}))

    async def _heartbeats(self):
        """More often than the cluster asks, so that a dead connection is seen within seconds."""
        try:
            while True:
                await self._send(HEARTBEAT, self.log.sequence)
                await asyncio.sleep(HEARTBEAT_SECONDS)
        except websockets.WebSocketException:
            pass

    async def _cut_some_time(self):
        await asyncio.sleep(self.choice.expovariate(1 / self.cut_every))
        if not self.is_calm:
            self.cuts += 1
            self.socket.transport.abort()


class ShortBackoff(discord.backoff.ExponentialBackoff):
    """As the library's, but it waits 8 s at most: not minutes, after which a short run is over."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._max = 3


class LibraryListener(discord.Client):
    """discord.py as it came from PyPI; what it receives is written down before it sees it."""

    def __init__(self, bot, url, log_file):
        super().__init__(intents=discord.Intents(guilds=True, guild_messages=True, message_content=True),
                         enable_debug_events=True, max_messages=None)
        self.log = SessionLog(f"{bot.name} (discord.py)")
        self.token_of_bot = bot.token
        self.guild_ids = bot.guilds
        self.url = url
        self.log_file = log_file
        self.task = None
        self.problems = {}
        self.breaks = self.cuts = 0
        self.is_calm = False

    async def on_socket_raw_receive(self, text):
        # Dispatches come in the order of the frames, each to a task of its own that runs to its end at once.
        self.log.feed(json.loads(text) if isinstance(text, (str, bytes)) else text)

    async def on_disconnect(self):
        self.breaks += 1

    def listen(self):
        self._keep_log()
        # Its two base URLs and its longest wait are set; the rest is as every bot has it.
        discord.client.ExponentialBackoff = ShortBackoff
        discord.http.Route.BASE = f"{self.url}/api/v10"
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(f"{self.url.replace('http', 'ws', 1)}/gateway")
        self.task = asyncio.create_task(self._run(), name=self.log.name)

    def _keep_log(self):
        """What the library says of its connection; the events themselves would be too much."""
        handler = logging.FileHandler(self.log_file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
        handler.addFilter(lambda record: "WebSocket Event" not in record.msg)
        library = logging.getLogger("discord")
        library.setLevel(logging.INFO)
        library.propagate = False
        library.addHandler(handler)
        logging.getLogger("discord.gateway").setLevel(logging.DEBUG)

    async def _run(self):
        while True:
            try:
                await self.start(self.token_of_bot)
            except (OSError, TimeoutError, discord.DiscordException, discord.aiohttp.ClientError) as problem:
                # What the library does not survive by itself, such as a login while no router is there.
                name = type(problem).__name__
                self.problems[name] = self.problems.get(name, 0) + 1
            await self.close()
            self.clear()
            await asyncio.sleep(1)

    async def reconnect(self):
        """Leaves a connection that may be half dead: the library itself notices only after its heartbeats."""
        if self.ws is not None:
            await self.ws.close(4000)

    async def stop(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.close()
