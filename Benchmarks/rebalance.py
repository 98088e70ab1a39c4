"""What writers notice while a quarter of the slots moves to a fourth guild node."""

import collections
import concurrent.futures
import datetime
import json
import shutil
import time

from cluster import Cluster, say
from disk_stalls import DiskStalls
from headroom import rate_with_headroom, until_quiet
from rest import wrk
from rows import row
from shape import JoiningNode, Shape, say_load, slot_of
from writers import Writers, failures, milliseconds, quantile

SLOTS = 1024
GUILDS = 160
FACTOR = 3
# A plan's usual bound: how many times its fair share a node may have.
BOUND = 1.05
FILL_SECONDS = 10
FILL_CLIENTS = 512
LENGTH = 200
BIG_LENGTH = 2000
JOINING = "guild-4"
STALL_SECONDS = 120
# Above this, a write is one of a slow moment: what a rebalance is to stay below.
PAUSE_MILLISECONDS = 50
MOMENT_NANOSECONDS = 500_000_000


def fill(cluster, channels, count, length, what):
    """Posts at least so many messages; how many it were. More clients than elsewhere: it is not measured."""
    done, rate = 0, 0
    begun = time.monotonic()
    while done < count:
        seconds = FILL_SECONDS if not rate else max(1, min(FILL_SECONDS, round((count - done) / rate + 0.5)))
        rate, answered, _, _ = wrk(cluster, "fill.lua", channels, seconds, length, FILL_CLIENTS)
        done += answered
        say_load(f"{what}: {done:,} of {count:,} messages in {time.monotonic() - begun:.0f} s, {rate:,.0f}/s")
    return done


class Preloaded:
    """A cluster with guilds on many slots, all with history, one of them with very much."""

    FACTS = "preloaded.json"

    def __init__(self, cluster, options):
        self.shape = Shape(cluster)
        self.shape.until_whole(FACTOR)
        if options.preloaded:
            facts = json.loads((options.preloaded / self.FACTS).read_text())
            self.channels, self.slots, self.messages = facts["channels"], facts["slots"], facts["messages"]
            # The first is the big one.
            self.big_slot = self.slots[0]
        else:
            self._preload(cluster, options)

    def keep(self, folder):
        (folder / self.FACTS).write_text(
            json.dumps({"channels": self.channels, "slots": self.slots, "messages": self.messages}))

    def _preload(self, cluster, options):
        say(f"making {GUILDS} guilds")
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            made = list(threads.map(lambda _: cluster.guild_with_channels(1), range(GUILDS)))
        self.channels = [channels[0] for _, channels in made]
        self.slots = [slot_of(guild) for guild, _ in made]
        self.messages = 0
        # The big slot's own part, so that it stores what was asked for.
        big = min(options.messages // 2, options.slot_megabytes * 1_000_000 // BIG_LENGTH)
        self.big_slot = self.slots[0]
        if big:
            self.messages += fill(cluster, self.channels[:1], big, BIG_LENGTH, f"slot {self.big_slot}")
        self.messages += fill(cluster, self.channels, max(0, options.messages - self.messages), LENGTH, "preload")


def rebalance(folder, options):
    """Moves onto a fourth guild node under a steady load: waits of writers meanwhile, beside those without."""
    if options.preloaded:
        # It starts from the same state any number of times.
        say(f"copying {options.preloaded}")
        shutil.copytree(options.preloaded / "data", folder / "data", symlinks=True)
    with Cluster(folder, log_level=options.log_level) as cluster:
        preloaded = Preloaded(cluster, options)
        if options.preload_only:
            preloaded.keep(folder)
            return
        until_quiet()
        with Writers(cluster, folder, preloaded.channels) as writers, DiskStalls(folder) as disk:
            rate = rate_with_headroom(writers, options.rate)
            quiet = time.monotonic_ns()
            time.sleep(options.quiet_seconds)
            say_load(f"{options.quiet_seconds} s of writes without moves")
            with JoiningNode(cluster, folder, JOINING):
                begun = time.monotonic_ns()
                facts = _move(preloaded.shape, options)
                ended = time.monotonic_ns()
                say_load(f"the rebalance took {(ended - begun) / 1e9:.0f} s")
                time.sleep(3)
                _judge(preloaded, facts)
                facts["big"] = _move_big(preloaded)
                time.sleep(3)
                writers.rate(0)
                time.sleep(2)
                without, during = writers.writes(quiet, begun), writers.writes(begun, ended)
                facts["big_writes"] = writers.writes(*facts["big"])
                facts["failed"] = _count_failures(preloaded, writers)
                facts["stalls"] = disk.longest(begun, ended), disk.longest(quiet, begun)
        if options.moments:
            _say_moments(during, begun)
            _say_moments(facts["big_writes"], begun)
        yield from _rows(preloaded, rate, facts, without, during, (ended - begun) / 1e9)


def _move(shape, options):
    before = shape.primaries()
    plan = shape.guildctl("rebalance", "--plan", "--measure", "slots", "--bound", str(BOUND))
    stored = shape.stored_bytes()
    changes = sum(move["from"][0] != move["to"][0] for move in plan["moves"])
    copies = sum(len(set(move["to"]) - set(move["from"])) for move in plan["moves"])
    say(f"the plan: {len(plan['moves'])} slots move, {copies} new copies, {changes} changes of primary, "
        f"{plan['bytes'] / 1e9:.2f} GB, about {plan['expected_seconds']:.0f} s")
    arguments = ["--bandwidth", options.bandwidth] if options.bandwidth else []
    shape.guildctl("rebalance", "--apply", "--yes", "--detach", "--measure", "slots", "--bound", str(BOUND),
                   "--concurrency", str(options.concurrency), *arguments)
    job = _followed(shape)
    after = shape.primaries()
    return {"job": job, "stored": stored, "copies": copies, "bytes": plan["bytes"],
            "moved": {slot for slot in after if after[slot] != before[slot]}}


def _move_big(preloaded):
    """The largest slot goes to the new node as primary, whether or not the plan has moved it; when that began and ended.

    A plan takes slots that cost little to move, so the worst one would rarely be seen.
    """
    shape, slot = preloaded.shape, preloaded.big_slot
    holders = shape.holders(slot)
    to = JOINING if JOINING not in holders else next(node for node in shape.guild_nodes() if node not in holders)
    begun = time.monotonic_ns()
    shape.guildctl("shard", "move", str(slot), "--to", to)
    deadline = time.monotonic() + STALL_SECONDS
    while shape.primaries()[slot] != to or len(shape.holders(slot)) != FACTOR:
        if time.monotonic() > deadline:
            raise RuntimeError(f"slot {slot} has not moved to {to} in {STALL_SECONDS} s: {shape.holders(slot)}")
        time.sleep(0.1)
    ended = time.monotonic_ns()
    say_load(f"slot {slot} has moved to {to} in {(ended - begun) / 1e9:.0f} s")
    return begun, ended


def _followed(shape):
    """Waits for the end of the rebalance, and raises when nothing moves for long."""
    left, since, told = None, time.monotonic(), time.monotonic()
    while True:
        job = shape.cluster.admin("GET", "/rebalance")
        if job["state"] in ("done", "aborted"):
            return job
        now = time.monotonic()
        if job["left"] != left:
            left, since = job["left"], now
        elif now - since > STALL_SECONDS:
            raise RuntimeError(f"no slot has moved for {STALL_SECONDS} s: {job}")
        if now - told >= FILL_SECONDS:
            told = now
            say_load(f"{job['moves'] - job['left']} of {job['moves']} slots")
        time.sleep(0.25)


def _count_failures(preloaded, writers):
    wrong = failures(writers.writes())
    if wrong:
        say(f"writes failed, by status: {wrong}\n{preloaded.shape.cluster.complaints()[-4000:]}")
    return sum(wrong.values())


def _judge(preloaded, facts):
    """Raises when the rebalance did not end as it should have."""
    job = facts["job"]
    if job["state"] != "done" or job["dropped"] or job["left"]:
        raise RuntimeError(f"the rebalance has not done all: {job}")
    preloaded.shape.until_whole(FACTOR, 60)
    facts["primaries"], facts["replicas"] = preloaded.shape.counts(JOINING)
    for what, count, ranks in (("primaries", facts["primaries"], 1), ("replicas", facts["replicas"], FACTOR - 1)):
        share = SLOTS / 4
        # In each rank, a node that lacks less than a whole slot to a bound'th of its share is left alone, and none has
        # more than the bound.
        if not ranks * (share / BOUND - 1) <= count <= ranks * (share * BOUND + 1):
            raise RuntimeError(f"{JOINING} has {count} {what}; its share is {ranks * share:.0f}, the bound {BOUND}")


def _say_moments(writes, begun):
    """Says when writes waited long, to be held against the logs of the nodes and of their stores."""
    moments = collections.defaultdict(list)
    for write in writes:
        if write.taken > PAUSE_MILLISECONDS * 1e6:
            moments[(write.due - begun) // MOMENT_NANOSECONDS].append(write)
    to_wall_clock = time.time() - time.monotonic()
    for moment, slow in sorted(moments.items()):
        longest = max(write.taken for write in slow) / 1e6
        end = datetime.datetime.fromtimestamp(max(write.due + write.taken for write in slow) / 1e9 + to_wall_clock)
        say(f"{moment * MOMENT_NANOSECONDS / 1e9:7.1f} s: {len(slow)} writes to {len({w.channel for w in slow})} channels "
            f"waited up to {longest:.0f} ms, the last until {end:%H:%M:%S.%f}")


def _rows(preloaded, rate, facts, without, during, seconds):
    ours, peers = milliseconds(during), milliseconds(without)
    moved = milliseconds(write for write in during if preloaded.slots[write.channel] in facts["moved"])
    what = f"writes at {rate:,}/s during a rebalance"
    peer = "the same without moves"
    for name, part in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)):
        yield row(f"{what}: {name}", "ms", "lower", [quantile(ours, part)], peer, [quantile(peers, part)])
    yield row(f"{what}: longest pause", "ms", "lower", [ours[-1]], peer, [peers[-1]])
    stalls = facts["stalls"]
    if None not in stalls:
        yield row(f"{what}: longest time in which the disk finished nothing", "ms", "lower", [stalls[0] * 1e3], peer,
                  [stalls[1] * 1e3])
    if moved:
        yield row(f"{what}: longest pause in slots whose primary moved", "ms", "lower", [moved[-1]], peer, [peers[-1]])
    big, (begun, ended) = milliseconds(facts["big_writes"]), facts["big"]
    yield row(f"writes at {rate:,}/s while the largest slot moves: longest pause", "ms", "lower", [big[-1]], peer,
              [peers[-1]])
    yield row("the largest slot's move: time", "s", "lower", [(ended - begun) / 1e9])
    yield row(f"{what}: failed", "1", "lower", [facts["failed"]])
    yield row("rebalance: time", "s", "lower", [seconds])
    yield row("rebalance: messages stored", "1", "higher", [preloaded.messages])
    yield row("rebalance: copied", "MB", "lower", [facts["bytes"] / 1e6])
    yield row("rebalance: largest slot", "MB", "higher", [facts["stored"].get(preloaded.big_slot, 0) / 1e6])
    yield row("rebalance: primaries on the fourth node", "1", "higher", [facts["primaries"]], "a quarter", [SLOTS / 4])
    yield row("rebalance: replicas on the fourth node", "1", "higher", [facts["replicas"]], "a quarter",
              [SLOTS * (FACTOR - 1) / 4])
