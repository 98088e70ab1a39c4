"""Every kind of fault. A new one is an async function with the decorator: it breaks something, waits, and heals it.

The decorator says in which lane the kind takes turns with others (lanes run side by side), what it needs of the run,
and how long a write may take under it, in seconds, when the cluster has three replicas (None: as long as the fault
lasts).
A fault heals what it broke also when it is cancelled.
"""

import asyncio
import signal
from dataclasses import dataclass
from typing import Callable

from chaos import etcd
from chaos.scene import DISK_MEGABYTES, HEAL_LIMIT

LANES = ("nodes", "machines", "network", "edge", "operator")
# Of the leases that replicas give a primary: 2 s for it to serve, 3 s for them to wait.
LEASE = 3.0
# How long the copies of the disk that was wiped last may take before that one is wiped again instead of another.
WIPE_PATIENCE = 15


@dataclass(frozen=True)
class Kind:
    name: str
    lane: str
    body: Callable
    # What the run must have: "network", "disk", "clock", "etcd", "replication" or a command of guildctl ("shard move").
    needs: tuple[str, ...]
    # Takes a guild node away: such faults take turns, most of the time, so that a majority is left.
    impairs_guilds: bool
    maximum_pause: float | None


KINDS = {}


def fault(name, lane, *needs, impairs_guilds=False, maximum_pause=None):
    def register(body):
        KINDS[name] = Kind(name, lane, body, needs, impairs_guilds, maximum_pause)
        return body
    return register


# MARK: Processes

async def kill(scene, *names, down):
    """kill -9 of all of them at the same moment, and a new start after `down` seconds."""
    processes = [scene.process(name) for name in names]
    scene.say(f"kill -9 of {', '.join(f'{p.name} (pid {p.pid})' for p in processes)}, down for {down:.1f} s")
    try:
        await asyncio.gather(*(process.kill() for process in processes))
        await scene.hold(down)
    finally:
        for process in processes:
            process.start()
    await scene.until_ready(*names)


async def pause(scene, name, seconds):
    process = scene.process(name)
    scene.say(f"SIGSTOP of {name} (pid {process.pid}) for {seconds:.1f} s")
    try:
        process.signal(signal.SIGSTOP)
        await scene.hold(seconds)
    finally:
        process.signal(signal.SIGCONT)
    await scene.until_ready(name)


@fault("kill-guild", "nodes", impairs_guilds=True, maximum_pause=LEASE + 3)
async def kill_guild(scene):
    await kill(scene, scene.some_guild(), down=scene.seconds(0, 6))


@fault("kill-all-guilds", "nodes", impairs_guilds=True)
async def kill_all_guilds(scene):
    await kill(scene, *scene.cluster.guilds, down=scene.seconds(0, 2))


@fault("terminate-guild", "nodes", impairs_guilds=True, maximum_pause=LEASE + 3)
async def terminate_guild(scene):
    name, down = scene.some_guild(), scene.seconds(0, 4)
    scene.say(f"SIGTERM to {name}, down for {down:.1f} s")
    try:
        if not await scene.process(name).stop():
            scene.say(f"{name} did not stop by itself and was killed")
        await scene.hold(down)
    finally:
        scene.process(name).start()
    await scene.until_ready(name)


@fault("pause-short", "nodes", impairs_guilds=True, maximum_pause=LEASE + 3)
async def pause_short(scene):
    """Shorter than the lease: nothing may change hands for it, nothing may be lost if it does."""
    await pause(scene, scene.some_guild(), scene.seconds(0.3, LEASE - 0.5))


@fault("pause-long", "nodes", impairs_guilds=True, maximum_pause=LEASE + 3)
async def pause_long(scene):
    """Longer than the lease: a primary that wakes up must not answer as if it still were one."""
    await pause(scene, scene.some_guild(), scene.seconds(LEASE + 1, LEASE + 5))


@fault("clock-step", "machines", "clock", maximum_pause=LEASE + 3)
async def clock_step(scene):
    name = scene.cluster.own_clock
    step = scene.choice.choice((-3600, -20, -2, 1, 5, 30, 86_400))
    seconds = scene.seconds(3, 6)
    scene.say(f"the clock of {name} steps by {step:+} s for {seconds:.1f} s")
    try:
        scene.cluster.set_clock(step)
        await scene.hold(seconds)
    finally:
        scene.cluster.set_clock(0)
    await scene.hold(1)
    await scene.until_ready(name)


@fault("disk-full", "machines", "disk", impairs_guilds=True, maximum_pause=LEASE + 3)
async def disk_full(scene):
    name = scene.cluster.small_disk
    seconds, left = scene.seconds(3, 6), scene.choice.choice((0, 0, DISK_MEGABYTES // 40))
    scene.say(f"the disk of {name} fills up but for {left} MB, for {seconds:.1f} s")
    try:
        scene.cluster.fill_disk(left << 20)
        await scene.hold(seconds)
    finally:
        scene.cluster.free_disk()
    await scene.until_ready(name)


@fault("wipe-guild", "nodes", "replication", "network", impairs_guilds=True, maximum_pause=LEASE + 3)
async def wipe_guild(scene):
    """The machine comes back under its old name with an empty disk.

    Three copies bear the loss of one disk, not of another before the first is made up for. Where other faults keep the
    cluster from that, the same machine loses its disk once more.
    """
    name, last = scene.choice.choice(scene.cluster.guilds[:-1]), scene.cluster.last_wiped
    if last is not None and not await scene.is_spared({name, last}, WIPE_PATIENCE):
        name = last
    if not await scene.is_spared({name}, HEAL_LIMIT):
        raise TimeoutError(f"not seen within {HEAL_LIMIT} s: a complete copy of every slot beside those of {name}")
    down = scene.seconds(0, 3)
    scene.say(f"kill -9 of {name}, and its data is deleted, down for {down:.1f} s")
    try:
        await scene.process(name).kill()
        scene.cluster.wipe(name)
        await scene.hold(down)
    finally:
        scene.process(name).start()
    await scene.until_ready(name)


# MARK: The network

def some_peers(scene, name):
    """A part of the cluster that `name` talks to, and what it is called."""
    others = [guild for guild in scene.cluster.guilds if guild != name]
    edge = [scene.cluster.router, *scene.cluster.gateways]
    choices = [("the other guild nodes", others), ("one guild node", [scene.choice.choice(others)]),
               ("the router", [scene.cluster.router]), ("router and gateways", edge),
               ("everybody", others + edge + scene.cluster.members)]
    if scene.cluster.members:
        choices.append(("the coordinator", scene.cluster.members))
    called, peers = scene.choice.choice([choice for choice in choices if choice[1]])
    return called, [scene.cluster.host(peer) for peer in peers]


async def impaired_arrival(scene, name, peers, seconds, *, inward, outward, rule="drop"):
    """Rules at what arrives: at `name` from the peers, at the peers from `name`."""
    host, key = scene.cluster.host(name), object()
    places = []
    if inward:
        places.append((host, ", ".join(peer.address for peer in peers)))
    if outward:
        places += [(peer, host.address) for peer in peers]
    try:
        for place, source in places:
            await scene.network.set_rules(key, place, [f"ip saddr {{ {source} }} {rule}"])
        await scene.hold(seconds)
    finally:
        for place, _ in places:
            await scene.network.set_rules(key, place, [])
    await scene.until_ready(name)


@fault("partition", "network", "network", impairs_guilds=True, maximum_pause=LEASE + 3)
async def partition(scene):
    name, seconds = scene.some_guild(), scene.seconds(1, LEASE + 6)
    called, peers = some_peers(scene, name)
    scene.say(f"{name} is cut off from {called} for {seconds:.1f} s")
    await impaired_arrival(scene, name, peers, seconds, inward=True, outward=True)


@fault("partition-one-way", "network", "network", impairs_guilds=True, maximum_pause=LEASE + 3)
async def partition_one_way(scene):
    name, seconds = scene.some_guild(), scene.seconds(1, LEASE + 6)
    called, peers = some_peers(scene, name)
    is_inward = scene.choice.random() < 0.5
    way = "hears nothing from" if is_inward else "is not heard by"
    scene.say(f"{name} {way} {called} for {seconds:.1f} s")
    await impaired_arrival(scene, name, peers, seconds, inward=is_inward, outward=not is_inward)


@fault("loss", "network", "network", maximum_pause=LEASE + 3)
async def loss(scene):
    name, seconds, share = scene.some_guild(), scene.seconds(4, 8), scene.choice.choice((2, 10, 25))
    called, peers = some_peers(scene, name)
    scene.say(f"{share} % of the packets between {name} and {called} are lost for {seconds:.1f} s")
    await impaired_arrival(scene, name, peers, seconds, inward=True, outward=True,
                           rule=f"numgen random mod 100 < {share} drop")


@fault("rate", "network", "network", maximum_pause=LEASE + 3)
async def rate(scene):
    name = scene.choice.choice([*scene.cluster.guilds, *scene.cluster.gateways])
    seconds, kilobits = scene.seconds(4, 8), scene.choice.choice((128, 512, 2048))
    scene.say(f"{name} sends at most {kilobits} kbit/s for {seconds:.1f} s")
    try:
        await scene.network.set_rate(scene.cluster.host(name), kilobits)
        await scene.hold(seconds)
    finally:
        await scene.network.set_rate(scene.cluster.host(name), None)
    await scene.until_ready(name)


@fault("delay", "network", "network", maximum_pause=LEASE + 3)
async def delay(scene):
    name, seconds = scene.some_guild(), scene.seconds(4, 8)
    called, peers = some_peers(scene, name)
    delay_ms, jitter_ms = scene.choice.choice(((5, 5), (20, 40), (100, 50), (300, 200)))
    reorder = scene.choice.choice((0, 0.05, 0.3))
    host, key = scene.cluster.host(name), object()
    scene.say(f"packets between {name} and {called} take {delay_ms} to {delay_ms + jitter_ms} ms, "
              f"{reorder:.0%} of them out of order, for {seconds:.1f} s")
    ways = [way for peer in peers for way in ((host, peer), (peer, host))]
    try:
        for source, target in ways:
            await scene.network.set_way(
                key, source, target, {"delay_ms": delay_ms, "jitter_ms": jitter_ms, "reorder": reorder})
        await scene.hold(seconds)
    finally:
        for source, target in ways:
            await scene.network.set_way(key, source, target, None)
    await scene.until_ready(name)


# MARK: Router, gateways, coordinator

@fault("kill-gateway", "edge", maximum_pause=2)
async def kill_gateway(scene):
    await kill(scene, scene.choice.choice(scene.cluster.gateways), down=scene.seconds(0, 3))


@fault("terminate-gateway", "edge", maximum_pause=2)
async def terminate_gateway(scene):
    name, down = scene.choice.choice(scene.cluster.gateways), scene.seconds(0, 2)
    scene.say(f"SIGTERM to {name}, down for {down:.1f} s")
    try:
        if not await scene.process(name).stop():
            scene.say(f"{name} did not stop by itself and was killed")
        await scene.hold(down)
    finally:
        scene.process(name).start()
    await scene.until_ready(name)


@fault("pause-gateway", "edge", maximum_pause=2)
async def pause_gateway(scene):
    await pause(scene, scene.choice.choice(scene.cluster.gateways), scene.seconds(1, 8))


@fault("kill-router", "edge")
async def kill_router(scene):
    """The only router of the run: what its clients do then is wait; with it goes the embedded coordinator."""
    await kill(scene, scene.cluster.router, down=scene.seconds(0, 3))


@fault("kill-etcd", "edge", "etcd", maximum_pause=2)
async def kill_etcd(scene):
    await kill(scene, scene.choice.choice(scene.cluster.members), down=scene.seconds(0, 4))


@fault("kill-guild-and-leader", "nodes", "etcd", impairs_guilds=True, maximum_pause=LEASE + 3)
async def kill_guild_and_leader(scene):
    """The worst moment for a change of primary: the coordinator elects a leader as well."""
    member = await etcd.leader(scene.cluster) or scene.cluster.members[0]
    await kill(scene, scene.some_guild(), member, down=scene.seconds(0, 4))


@fault("partition-etcd", "network", "etcd", "network", maximum_pause=2)
async def partition_etcd(scene):
    name, seconds = scene.choice.choice(scene.cluster.members), scene.seconds(2, 6)
    others = [scene.cluster.host(member) for member in scene.cluster.members if member != name]
    scene.say(f"{name} is cut off from the other members for {seconds:.1f} s")
    await impaired_arrival(scene, name, others, seconds, inward=True, outward=True)


@fault("pause-etcd", "edge", "etcd", maximum_pause=2)
async def pause_etcd(scene):
    await pause(scene, scene.choice.choice(scene.cluster.members), scene.seconds(1, 4))


# MARK: Operators

@fault("move-slot", "operator", "shard move", maximum_pause=2)
async def move_slot(scene):
    guild, target = scene.choice.choice(sorted(scene.world.guilds)), scene.some_guild()
    slot = guild >> 12 & 0x3FF
    scene.say(f"guildctl shard move {slot} --to {target}")
    await scene.guildctl("shard", "move", str(slot), "--to", target)
    await scene.hold(scene.seconds(2, 5))


@fault("drain-guild", "operator", "node drain", maximum_pause=2)
async def drain_guild(scene):
    name = scene.some_guild()
    scene.say(f"guildctl node drain {name}, and back")
    try:
        await scene.guildctl("node", "drain", name, "--yes", "--detach")
        await scene.hold(scene.seconds(4, 8))
    finally:
        await scene.guildctl("node", "undrain", name)


@fault("rebalance", "operator", "rebalance", maximum_pause=2)
async def rebalance(scene):
    scene.say("guildctl rebalance --apply")
    await scene.guildctl("rebalance", "--apply", "--yes")
    await scene.hold(scene.seconds(2, 5))
