"""One run: a cluster, load, faults, and the comparison at the end."""

import asyncio
import json
import random
import time

from chaos.checker import check
from chaos.cluster import Cluster
from chaos.hosts import Loopback, Namespaces
from chaos.listeners import LibraryListener, RawListener
from chaos.load import Load
from chaos.record import Run, SpanEnd
from chaos.report import summary, text
from chaos.scene import Journal, Occurrence
from chaos.schedule import Schedule, possible
from chaos.world import World

READY_LIMIT = 120
# After the last fault: how long the cluster may take to serve as before, and what was under way to come to its end.
HEAL_LIMIT = 120
SETTLE = 12
LAST_PATIENCE = 60
CATCH_UP_LIMIT = 60
HISTORY_LIMIT = 120
# Beside the minutes of faults: longer than all the limits that the parts of a run have.
WHOLE_LIMIT = 900
# Load without faults before the first.
CALM = 5


async def until(condition, limit):
    """Whether `condition` became true within `limit` seconds."""
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True


class ChaosRun:
    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.seed = options.seed
        network = Namespaces() if options.hosts == "netns" else Loopback()
        self.cluster = Cluster(
            network, folder, options.programs, guild_nodes=options.guild_nodes, gateway_nodes=options.gateway_nodes,
            coordinator=options.coordinator, log_level=options.log_level)
        self.journal = None
        self.run = Run()
        self.listeners = []
        self.load = None
        self.problems = []

    async def perform(self):
        """Returns the result, and prints it; raises what keeps the run from being one."""
        self.journal = Journal(self.folder / "chaos.log", self.cluster.clock)
        try:
            async with asyncio.timeout(self.options.minutes * 60 + WHOLE_LIMIT):
                return await self._perform()
        except TimeoutError:
            raise RuntimeError(f"the run did not end within {WHOLE_LIMIT} s beside its faults") from None
        finally:
            for listener in self.listeners:
                await listener.stop()
            if self.load is not None:
                await self.load.close()
            slow = await self.cluster.stop()
            if slow:
                self.journal.say(f"killed at the end, after they did not stop by themselves: {', '.join(slow)}")
            self.journal.close()

    async def _perform(self):
        say = self.journal.say
        options = self.options
        say(f"seed {self.seed}; starting {', '.join(self.cluster.names)} in {self.folder}")
        await self.cluster.start()
        rows = (await self.cluster.admin("GET", "/shards"))["shards"]
        self.cluster.is_replicated = all(len(row["in_sync"]) > 1 for row in rows)
        if not self.cluster.is_replicated:
            say("each slot has ONE replica: what its node is busy with or cut off from, waits")
        world = World(self.cluster)
        choice = random.Random(f"{self.seed} world")
        await world.make(
            guilds=options.guilds, channels=options.channels, bots=options.listeners, guilds_a_bot=options.guilds_a_bot,
            choice=choice)
        self.run.guild_of = world.guild_of
        await self._start_listeners(world)
        self.load = Load(self.cluster, world, rate=options.rate, readers=options.readers,
                         choice=random.Random(f"{self.seed} load"), run=self.run)
        kinds, skipped = possible(
            self.cluster, options.faults, await self._commands(), is_forced=options.prove)
        schedule = Schedule(self.cluster, world, kinds, self.seed, self.journal)
        say(f"load: {options.rate} messages/s in {len(world.guild_of)} channels of {len(world.guilds)} guilds on "
            f"{len({guild >> 12 & 0x3FF for guild in world.guilds})} slots, {len(self.listeners)} listeners")
        self.load.start()
        await asyncio.sleep(CALM)
        calm_until = time.monotonic()
        begun = self.cluster.clock()
        say(f"faults for {options.minutes} minutes: {', '.join(kind.name for kind in kinds)}")
        await schedule.run(options.minutes * 60)
        seconds = self.cluster.clock() - begun
        self.problems += schedule.problems
        await self._heal()
        await self._end_load(world)
        say("reading everything that is stored")
        await asyncio.gather(*(self._read_history(channel) for channel in world.guild_of))
        return self._judge(schedule, skipped, calm_until, seconds)

    async def _read_history(self, channel):
        try:
            async with asyncio.timeout(HISTORY_LIMIT):
                self.run.history[channel] = await self.load.history(channel)
        except (RuntimeError, TimeoutError) as problem:
            self.problems.append(f"the history of {channel} cannot be read at the end: {problem!r}")
            self.run.history[channel] = []

    async def _commands(self):
        """Which of the commands that faults need guildctl has."""
        found = set()
        for command in ("shard move", "node drain", "rebalance"):
            try:
                said = await self.cluster.guildctl_help(*command.split())
            except RuntimeError:
                continue
            if f"guildctl {command}" in said:
                found.add(command)
        return found

    async def _start_listeners(self, world):
        choice = random.Random(f"{self.seed} listeners")
        for number, bot in enumerate(world.bots):
            if number == 0 and not self.options.without_library:
                listener = LibraryListener(bot, self.cluster.url, self.cluster.log("discord.py"))
            else:
                listener = RawListener(bot, self.cluster.websocket_url, cut_every=self.options.cut_every,
                                       choice=random.Random(choice.random()))
            self.listeners.append(listener)
            listener.listen()
        if not await until(lambda: all(listener.log.is_complete() for listener in self.listeners), READY_LIMIT):
            missing = [one.log.name for one in self.listeners if not one.log.is_complete()]
            raise RuntimeError(f"no session with all its guilds after {READY_LIMIT} s: {', '.join(missing)}")

    async def _heal(self):
        """Takes away whatever a fault that failed may have left, and waits until everything serves."""
        self.journal.say("no more faults: healing what is left")
        await self.cluster.heal()
        try:
            await self.cluster.until_ready(HEAL_LIMIT)
        except RuntimeError as problem:
            self.problems.append(f"the cluster did not heal: {problem}")

    async def _end_load(self, world):
        """Stops writers and readers, lets what is under way end, and waits until the listeners have heard the last."""
        for listener in self.listeners:
            listener.is_calm = True
        await self.load.stop()
        self.journal.say(f"the writers have stopped; waiting {SETTLE} s for what routers may still repeat")
        await asyncio.sleep(SETTLE)
        last = {}
        writes = await asyncio.gather(*(
            self.load.write_one("last", channel, channel, True, patience=LAST_PATIENCE) for channel in world.guild_of))
        for write in writes:
            if write.message is None:
                self.problems.append(f"no message could be written to {write.channel} at the end: {write.outcome}")
            else:
                last[write.channel] = write.message
        if not await until(lambda: not self._behind(world, last), CATCH_UP_LIMIT / 2):
            for listener in self._behind(world, last):
                self.journal.say(f"{listener.log.name} is behind; it connects anew")
                await listener.reconnect()
            await until(lambda: not self._behind(world, last), CATCH_UP_LIMIT / 2)
        for listener in self._behind(world, last):
            if listener.log.session_id is None:
                self.problems.append(f"{listener.log.name} has no session at the end")
                if listener.log.spans:
                    listener.log.span.end = SpanEnd.INVALIDATED
        self.run.spans = [span for listener in self.listeners for span in listener.log.spans]

    def _behind(self, world, last):
        behind = []
        for listener in self.listeners:
            channels = [channel for guild in listener.guild_ids for channel in world.guilds[guild]]
            seen = listener.log.last_seen
            if not listener.log.is_complete() or any(seen.get(c, 0) < last.get(c, 0) for c in channels):
                behind.append(listener)
        return behind

    def _judge(self, schedule, skipped, calm_until, seconds):
        start = self.cluster.begun
        occurrences = [Occurrence(o.kind, o.begun + start, o.ended + start) for o in schedule.occurrences]
        violations = check(self.run)
        options = self.options
        result = summary(
            self.run, occurrences=occurrences, skipped=skipped, violations=violations, problems=self.problems,
            endings=[ending for process in self.cluster.processes.values() for ending in process.endings],
            load=self.load, listeners=self.listeners, calm_until=calm_until,
            is_replicated=self.cluster.is_replicated, is_strict=options.strict,
            settings={
                "seed": self.seed, "minutes": options.minutes, "hosts": options.hosts,
                "coordinator": options.coordinator, "guild nodes": options.guild_nodes,
                "gateway nodes": options.gateway_nodes, "messages/s asked": options.rate,
                "messages/s reached": round(len(self.run.writes) / (seconds + CALM), 1),
            })
        (self.folder / "result.json").write_text(json.dumps(result, indent=2))
        print(json.dumps(result, indent=2) if options.json else text(result, self.folder), flush=True)
        return result
