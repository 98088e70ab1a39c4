"""What replication costs: durable POSTs with three copies beside the same with one."""

import contextlib

from cluster import Cluster
from rest import CLIENTS, wrk
from rows import ROUNDS, row
from shape import Shape, say_load, until


def single_copies(cluster):
    """Takes the other copies away from a cluster that begins with three of each slot."""
    shape = Shape(cluster)
    shape.until_whole(3)
    shape.guildctl("cluster", "settings", "--replication-factor", "1", "--minimum", "1", "--yes")
    until(lambda: all(row["minimum"] == 1 for row in shape.rows().values()), 120, "the minimum to be 1 everywhere")
    shape.guildctl("rebalance", "--apply", "--yes", "--measure", "slots", "--concurrency", "64")
    shape.until_whole(1)


def replication(folder, options):
    """Durable POSTs a second with replication factor 3, its rounds interleaved with those of a cluster with factor 1."""
    clusters, channels = {}, {}
    with contextlib.ExitStack() as stack:
        for factor in (1, 3):
            place = folder / f"factor-{factor}"
            place.mkdir()
            clusters[factor] = stack.enter_context(Cluster(place, log_level=options.log_level))
            if factor == 1:
                single_copies(clusters[factor])
            else:
                Shape(clusters[factor]).until_whole(3)
            channels[factor] = clusters[factor].channels_on_every_node(guilds=3, channels=7)
            wrk(clusters[factor], "post.lua", channels[factor])
        rates = {1: [], 3: []}
        medians, tails = {1: [], 3: []}, {1: [], 3: []}
        for number in range(ROUNDS):
            for factor, cluster in clusters.items():
                rate, _, p50, p99 = wrk(cluster, "post.lua", channels[factor])
                rates[factor].append(rate)
                medians[factor].append(p50)
                tails[factor].append(p99)
                say_load(f"factor {factor}: round {number + 1} of {ROUNDS}: {rate:,.0f} writes/s, p50 {p50:.1f} ms")
    peer = "replication factor 1"
    what = f"durable POSTs, replication factor 3, {CLIENTS} clients"
    yield row(what, "1/s", "higher", rates[3], peer, rates[1])
    yield row(f"{what}: p50", "ms", "lower", medians[3], peer, medians[1])
    yield row(f"{what}: p99", "ms", "lower", tails[3], peer, tails[1])
