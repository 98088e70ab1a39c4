"""A cluster with some history, and a human who talks to a bot in it."""

import asyncio
import time
from dataclasses import dataclass, field

DAY_MILLISECONDS = 86_400_000
EPOCH_MILLISECONDS = 1_420_070_400_000
HISTORY_DAYS = (-95, -82, -68, -51, -37, -23, -9)


def bucket(message_id):
    """The ten-day window that a message lies in (DESIGN §7)."""
    return (int(message_id) >> 22) // (10 * DAY_MILLISECONDS)


async def write(account, channel, content, **more):
    answer = await account.rest.post(f"/channels/{channel['id']}/messages", {"content": content, **more})
    return answer.json["id"]


async def move_clock(cluster, account, channel, days):
    """Moves the clock and waits until the channel's owner mints ids of that day: the change takes up to a second."""
    cluster.move_clock(f"{days}d")
    wanted = time.time() * 1000 + days * DAY_MILLISECONDS
    path, question = f"/channels/{channel['id']}/messages", {"content": "what is the time?"}
    for _ in range(100):
        # While processes differ by days, a request's id is refused as one that was not minted lately; when a slow
        # request is repeated then, nobody knows whether it was carried out.
        answer = await account.rest.post(path, question, expect=(200, 503, 520))
        if answer.status != 200:
            await asyncio.sleep(0.1)
            continue
        for message in (await account.rest.get(path)).json:
            if message["content"] == question["content"]:
                await account.rest.delete(f"{path}/{message['id']}")
        if abs((int(answer.json["id"]) >> 22) + EPOCH_MILLISECONDS - wanted) < 60_000:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"the clock did not move by {days} days within 10 s")


async def begin_at(cluster, people, days):
    """Moves the clock before anything is made, and waits until router and guild nodes all mint ids of that day."""
    cluster.move_clock(f"{days}d")
    wanted = time.time() * 1000 + days * DAY_MILLISECONDS
    missing = set(cluster.names("guild"))
    for _ in range(200):
        # While processes differ by days, a request is refused; if it is repeated then, its outcome is unknown.
        name = people.new_name("nobody")
        account = {"username": name, "email": f"{name}@example.org", "password": "correct horse"}
        answer = await people.rest.post("/auth/register", account, expect=(201, 503, 520))
        if answer.status != 201:
            await asyncio.sleep(0.1)
            continue
        identifier = answer.json["user_id"]
        if abs((int(identifier) >> 22) + EPOCH_MILLISECONDS - wanted) < 60_000:
            missing.discard(cluster.where(identifier))
            if not missing:
                return
    raise AssertionError(f"{missing} did not move their clocks by {days} days")


@dataclass
class World:
    cluster: object
    people: object
    owner: object = None
    # One guild on each guild node, by the node's name; and a channel of each.
    guilds: dict = field(default_factory=dict)
    channels: dict = field(default_factory=dict)
    # The channel with the history, and its message ids, oldest first.
    old_channel: dict = None
    old_ids: list = field(default_factory=list)

    @classmethod
    async def make(cls, cluster, people):
        world = cls(cluster, people)
        await begin_at(cluster, people, HISTORY_DAYS[0] - 1)
        world.owner = await people.user("owner")
        for node in cluster.names("guild"):
            guild = await people.guild(world.owner, name=f"on {node}", on=node)
            world.guilds[node] = guild
            world.channels[node] = await people.channel(world.owner, guild, "talk")
        first = next(iter(world.guilds))
        world.old_channel = await people.channel(world.owner, world.guilds[first], "old-talk")
        for day in HISTORY_DAYS:
            await move_clock(cluster, world.owner, world.old_channel, day)
            for number in range(20):
                world.old_ids.append(await write(world.owner, world.old_channel, f"{number} of day {day}"))
        for channel in [*world.channels.values(), world.old_channel]:
            await move_clock(cluster, world.owner, channel, 0)
        assert len({bucket(identifier) for identifier in world.old_ids}) >= 5
        return world

    async def new_bot(self):
        """A bot that is in all the guilds."""
        bot = self.people.bot(self.owner)
        for guild in self.guilds.values():
            await self.people.add_bot(self.owner, bot, guild, permissions=str(1 << 3))
        return bot


class Human:
    """The owner at a raw session of its own: says something and waits for what the bot does."""

    def __init__(self, world, session, bot):
        self.world = world
        self.session = session
        self.bot = bot

    async def say(self, channel, content):
        return await write(self.world.owner, channel, content)

    async def hears(self, channel, event="MESSAGE_CREATE"):
        """The bot's next message (or its edit) in the channel."""
        return await self.session.event(
            event, where=lambda data: data["channel_id"] == channel["id"]
            and ("author" not in data or data["author"]["id"] == self.bot.id)
        )
