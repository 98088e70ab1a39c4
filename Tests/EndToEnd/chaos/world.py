"""What the load works on: guilds over many slots, their channels, one writer's account and the listeners' bots."""

import asyncio
import secrets
from dataclasses import dataclass, field

import aiohttp

API = "/api/v10"
START_ATTEMPTS = 20


@dataclass
class Bot:
    name: str
    id: int
    token: str
    guilds: list[int] = field(default_factory=list)


class World:
    def __init__(self, cluster):
        self.cluster = cluster
        # Guild -> its channels.
        self.guilds = {}
        self.bots = []
        self.token = None

    @property
    def guild_of(self):
        return {channel: guild for guild, channels in self.guilds.items() for channel in channels}

    async def make(self, *, guilds, channels, bots, guilds_a_bot, choice):
        owner = await self._made("/users", lambda name: {
            "username": name, "email": f"{name}@example.org", "password": secrets.token_urlsafe(12)})
        self.token = owner["token"]
        for number in range(guilds):
            guild = await self._post("/guilds", {"name": f"guild {number}"})
            self.guilds[int(guild["id"])] = [
                int((await self._post(f"/guilds/{guild['id']}/channels", {"name": f"talk-{n}", "type": 0}))["id"])
                for n in range(channels)
            ]
        for number in range(bots):
            made = await self._made("/bots", lambda name: {"name": name, "owner_id": owner["id"]})
            bot = Bot(f"listener-{number + 1}", int(made["id"]), made["token"])
            bot.guilds = choice.sample(sorted(self.guilds), min(guilds_a_bot, len(self.guilds)))
            for guild in bot.guilds:
                await self._repeated(
                    lambda: self.cluster.admin("PUT", f"/guilds/{guild}/bots/{bot.id}", {"permissions": "8"}))
            self.bots.append(bot)

    async def _made(self, path, body):
        """An account: each attempt has a new name, since one without an answer may have taken its own."""
        return await self._repeated(lambda: self.cluster.admin("POST", path, body(f"chaos_{secrets.token_hex(5)}")))

    @staticmethod
    async def _repeated(call):
        """Repeats what a busy cluster may refuse or leave unanswered while it starts."""
        for _ in range(START_ATTEMPTS - 1):
            try:
                return await call()
            except (RuntimeError, aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(1)
        return await call()

    async def _post(self, path, body):
        """What the owner makes; likewise repeated."""
        headers = {"Authorization": self.token}
        for attempt in range(START_ATTEMPTS):
            async with self.cluster.http.post(self.cluster.url + API + path, json=body, headers=headers) as response:
                if response.status in (200, 201):
                    return await response.json()
                said = await response.text()
                if response.status < 500 and response.status != 429:
                    break
            await asyncio.sleep(0.5)
        raise RuntimeError(f"POST {path}: {response.status} {said[:300]}")
