"""How long writes wait when the primary of their slot is killed."""

import contextlib
import statistics
import time

from cluster import Cluster, say
from etcd import Etcd
from rows import row
from shape import LostNode, Shape, say_load, slot_of, until
from writers import Writers, failures

GUILDS_A_NODE = 4
# To each guild; so what is measured is exact to 20 ms.
WRITES_A_SECOND = 50
LIMIT_SECONDS = 30


class Rounds:
    """Kills one guild node after the other, with writers on slots of each."""

    def __init__(self, cluster, folder):
        self._shape = Shape(cluster)
        self._cluster = cluster
        self._shape.until_whole(3)
        self._homes = self._shape.primaries()
        self._nodes = sorted(set(self._homes.values()))
        self._slots, channels = [], []
        for node in self._nodes:
            for _ in range(GUILDS_A_NODE):
                guild, ids = self._shape.guild_on(node)
                self._slots.append(slot_of(guild))
                channels += ids
        self.writers = Writers(cluster, folder, channels)

    def start(self):
        self.writers.rate(WRITES_A_SECOND * len(self._slots))
        time.sleep(3)

    def round(self, number, also=None):
        """Kills a node, and `also` something at the same moment: seconds from the kill to the next write, by slot."""
        node = self._nodes[number % len(self._nodes)]
        wanted = {index for index, slot in enumerate(self._slots) if self._homes[slot] == node}
        lost = LostNode(self._cluster, node)
        if also:
            also()
        killed, gone = lost.kill()
        # A write that was due when the process was gone is no answer of its last moment.
        def served():
            found = {}
            for write in self.writers.writes(gone):
                if write.status == 200 and write.channel in wanted:
                    found[write.channel] = min(found.get(write.channel, 1 << 63), write.due + write.taken)
            return found if len(found) == len(wanted) else None

        try:
            found = until(served, LIMIT_SECONDS, f"the slots of {node} to take writes")
        finally:
            lost.let_back()
        return [(moment - killed) / 1e9 for moment in found.values()]

    def until_whole(self):
        """All copies are in sync, and every slot is led by the node that led it at the beginning."""
        self._shape.until_whole(3, 180)
        until(lambda: self._shape.primaries() == self._homes, 180, "the slots to be back at their homes")
        self._shape.until_whole(3, 180)


def failover(folder, options):
    """Time from `kill -9` of a slot's primary to the slot's next acknowledged write."""
    with Cluster(folder, log_level=options.log_level) as cluster:
        yield from _measured("embedded coordinator", cluster, folder, options, None)
    etcd_folder = folder / "with-etcd"
    etcd_folder.mkdir()
    with Etcd(etcd_folder) as etcd, Cluster(etcd_folder, coordinator=etcd.coordinator,
                                            log_level=options.log_level) as cluster:
        yield from _measured("etcd, 3 members", cluster, etcd_folder, options, etcd)


def _measured(name, cluster, folder, options, etcd):
    rounds = Rounds(cluster, folder)
    variants = {name: False} | ({f"{name}, its leader killed too": True} if etcd else {})
    waits = {variant: [] for variant in variants}
    failed = dict.fromkeys(variants, 0)
    with rounds.writers as writers:
        rounds.start()
        for number in range(options.rounds):
            for variant, kills_leader in variants.items():
                begun = time.monotonic_ns()
                with contextlib.ExitStack() as after:
                    also = None
                    if kills_leader:
                        leader = etcd.leader()
                        also = lambda: etcd.kill(leader)
                        after.callback(etcd.start_again, leader)
                    found = rounds.round(number, also)
                rounds.until_whole()
                wrong = failures(writers.writes(begun, time.monotonic_ns() - 1))
                failed[variant] += sum(wrong.values())
                waits[variant].append(found)
                say_load(f"{variant}: round {number + 1} of {options.rounds}: "
                         + ", ".join(f"{wait:.2f}" for wait in sorted(found)) + f" s; failed: {wrong or 0}")
        answered = len(writers.writes())
    say(f"{answered:,} writes")
    for variant in variants:
        yield from _rows(variant, waits[variant], failed[variant])


def _rows(variant, waits, failed):
    every = [wait for found in waits for wait in found]
    what = f"kill -9 of a primary, {variant}"
    yield row(f"{what}: next write, p50", "s", "lower", [statistics.median(found) for found in waits])
    yield row(f"{what}: next write, longest of {len(every)} slots", "s", "lower", [max(every)])
    yield row(f"{what}: writes that failed", "1", "lower", [failed])
