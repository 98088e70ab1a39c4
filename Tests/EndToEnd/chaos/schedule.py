"""When which fault happens: lanes side by side, each with its kinds in turns, all from one seed."""

import asyncio
import random
import traceback

from chaos.faults import KINDS, LANES
from chaos.scene import Occurrence, Scene

# How often a fault that takes a guild node away comes although another has one already.
DOUBLE_FAULTS = 0.15
# Seconds between the faults of a lane. With the only router away nothing can be measured, so the edge rests longer; the
# machines do, since they have few kinds, and the others wait while a disk is full.
RESTS = {"nodes": (0.2, 1), "machines": (12, 24), "network": (0.5, 2), "edge": (2, 8), "operator": (2, 6)}


def possible(cluster, wanted, commands, *, is_forced=False):
    """The kinds that this run can do, and why not the others: (kinds, {name: reason}).

    `wanted`: names, or None for all. `commands`: what guildctl can do. `is_forced`: also what loses data by right,
    where there is one replica, as a proof that the checker finds it.
    """
    has = {"network": cluster.network.has_network, "disk": cluster.small_disk is not None,
           "clock": cluster.own_clock is not None, "etcd": bool(cluster.members),
           "replication": cluster.is_replicated or is_forced}
    chosen, skipped = [], {}
    for kind in KINDS.values():
        if wanted is not None and kind.name not in wanted:
            continue
        missing = [need for need in kind.needs if not (has[need] if need in has else need in commands)]
        if missing:
            skipped[kind.name] = f"this run has no {', '.join(missing)}"
        else:
            chosen.append(kind)
    return chosen, skipped


class Schedule:
    def __init__(self, cluster, world, kinds, seed, journal):
        self.cluster = cluster
        self.world = world
        self.kinds = kinds
        self.seed = seed
        self.journal = journal
        self.occurrences = []
        # Faults that did not heal or could not be done: each fails the run.
        self.problems = []
        self.stopping = asyncio.Event()
        self.guild_nodes = asyncio.Lock()
        self.numbers = {}

    async def run(self, seconds):
        """Faults until `seconds` are over; returns when the last has healed."""
        lanes = []
        for lane in LANES:
            kinds = [kind for kind in self.kinds if kind.lane == lane]
            if kinds:
                lanes.append(asyncio.create_task(self._lane(lane, kinds), name=f"lane {lane}"))
        try:
            done, _ = await asyncio.wait(lanes, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
            for lane in done:
                lane.result()
            self.stopping.set()
            await asyncio.gather(*lanes)
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)

    async def _lane(self, lane, kinds):
        choice = random.Random(f"{self.seed} {lane}")
        turns = []
        while not self.stopping.is_set():
            # All kinds of the lane in turns, in an order that the seed gives, so that each comes equally often.
            if not turns:
                turns = choice.sample(kinds, len(kinds))
            kind = turns.pop()
            alone = kind.impairs_guilds and choice.random() >= DOUBLE_FAULTS
            if alone:
                await self.guild_nodes.acquire()
            try:
                if not self.stopping.is_set():
                    await self._one(kind, choice)
            finally:
                if alone:
                    self.guild_nodes.release()
            try:
                async with asyncio.timeout(choice.uniform(*RESTS[lane])):
                    await self.stopping.wait()
            except TimeoutError:
                pass

    async def _one(self, kind, choice):
        number = self.numbers[kind.name] = self.numbers.get(kind.name, 0) + 1
        label = f"{kind.name} #{number}"
        # Its own source, so that how long a fault took does not change what the next one chooses.
        scene = Scene(self.cluster, self.world, random.Random(choice.random()), self.journal, label)
        begun = self.cluster.clock()
        try:
            await kind.body(scene)
            self.journal.say(f"{label}: healed after {self.cluster.clock() - begun:.1f} s")
        except Exception as problem:  # noqa: BLE001 — whatever it is, the run goes on and fails at its end
            self.journal.say(f"{label}: FAILED: {problem!r}\n{traceback.format_exc()}")
            self.problems.append(f"{label}: {problem!r}")
        self.occurrences.append(Occurrence(kind.name, begun, self.cluster.clock()))
