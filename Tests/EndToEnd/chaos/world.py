"""What the load works on: guilds over many slots, their channels, one writer's account and the listeners' bots."""

import asyncio
import secrets
from dataclasses import dataclass, field

API = "/api/v10"


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
        name = f"owner_{secrets.token_hex(5)}"
        owner = await self.cluster.admin(
            "POST", "/users", {"username": name, "email": f"{name}@example.org", "password": secrets.token_urlsafe(12)})
        self.token = owner["token"]
        for number in range(guilds):
            guild = await self._post("/guilds", {"name": f"guild {number}"})
            self.guilds[int(guild["id"])] = [
                int((await self._post(f"/guilds/{guild['id']}/channels", {"name": f"talk-{n}", "type": 0}))["id"])
                for n in range(channels)
            ]
        for number in range(bots):
            made = await self.cluster.admin("POST", "/bots", {"name": f"bot {number}", "owner_id": owner["id"]})
            bot = Bot(f"listener-{number + 1}", int(made["id"]), made["token"])
            bot.guilds = choice.sample(sorted(self.guilds), min(guilds_a_bot, len(self.guilds)))
            for guild in bot.guilds:
                await self.cluster.admin("PUT", f"/guilds/{guild}/bots/{bot.id}", {"permissions": "8"})
            self.bots.append(bot)

    async def _post(self, path, body):
        """Repeats what a cluster that has just started may refuse."""
        headers = {"Authorization": self.token}
        for attempt in range(20):
            async with self.cluster.http.post(self.cluster.url + API + path, json=body, headers=headers) as response:
                if response.status in (200, 201):
                    return await response.json()
                said = await response.text()
                if response.status < 500 and response.status != 429:
                    break
            await asyncio.sleep(0.5)
        raise RuntimeError(f"POST {path}: {response.status} {said[:300]}")
