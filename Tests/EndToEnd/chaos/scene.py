"""What a fault may touch, and how it says what it does."""

import asyncio
import sys
import time
from dataclasses import dataclass

import aiohttp

HEAL_LIMIT = 90
# Of the small disk that one guild node has.
DISK_MEGABYTES = 512


@dataclass(frozen=True)
class Occurrence:
    """A fault that happened, from its beginning to the moment when what it broke served again."""

    kind: str
    begun: float
    ended: float


class Journal:
    """Readable lines, one an incident: on standard error and in the run's folder."""

    def __init__(self, file, clock):
        self.file = open(file, "a", buffering=1)
        self.clock = clock

    def say(self, text):
        line = f"[{self.clock():7.1f} s] {text}"
        print(line, file=sys.stderr, flush=True)
        self.file.write(line + "\n")

    def close(self):
        self.file.close()


class Scene:
    """The cluster as one fault sees it, with a source of choices of its own."""

    def __init__(self, cluster, world, choice, journal, label):
        self.cluster = cluster
        self.network = cluster.network
        self.world = world
        self.choice = choice
        self.journal = journal
        self.label = label

    def say(self, text):
        self.journal.say(f"{self.label}: {text}")

    def seconds(self, least, most):
        return self.choice.uniform(least, most)

    async def hold(self, seconds):
        await asyncio.sleep(seconds)

    def process(self, name):
        return self.cluster.processes[name]

    def some_guild(self):
        return self.choice.choice(self.cluster.guilds)

    async def guildctl(self, *arguments):
        """A command that may fail while other faults are there; what it says then is in the journal."""
        try:
            await self.cluster.guildctl(*arguments)
        except RuntimeError as refused:
            self.say(f"refused: {refused}")

    async def is_spared(self, names, limit):
        """Whether every slot has, within the limit, a complete copy that is at none of these nodes."""
        deadline = time.monotonic() + limit
        while True:
            try:
                rows = (await self.cluster.admin("GET", "/shards"))["shards"]
                if rows and all(set(row["in_sync"] + row["eligible"]) - names for row in rows):
                    return True
            except (RuntimeError, aiohttp.ClientError, TimeoutError):
                # Other lanes break the router meanwhile.
                pass
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.5)

    async def until_ready(self, *names, limit=HEAL_LIMIT):
        """Waits until these processes serve again, and those they need."""
        deadline = time.monotonic() + limit
        for name in names:
            while not await self.cluster.is_ready(name):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{name} is not ready {limit} s after the fault's end")
                await asyncio.sleep(0.1)
