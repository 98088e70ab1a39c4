"""What REST calls through the router bring: durable POSTs and pages of history."""

import os
import re
import subprocess

from peers import answer
from rows import ROUNDS, row

SECONDS_A_ROUND = 4
CLIENTS = 64
ROLES = ("router", "guild")


def wrk(cluster, script, channels, seconds=SECONDS_A_ROUND, length=200, clients=CLIENTS):
    """One round: requests a second, their number, and the latencies p50 and p99 in milliseconds."""
    environment = dict(os.environ, BENCH_CHANNELS=",".join(channels), BENCH_AUTHORIZATION=cluster.owner_token,
                       BENCH_LENGTH=str(length))
    folder = os.path.dirname(os.path.abspath(__file__))
    text = subprocess.run(
        ["wrk", "-t", "1", "-c", str(clients), "-d", f"{seconds}s", "--latency", "-s",
         os.path.join(folder, script), cluster.url],
        check=True, capture_output=True, text=True, env=environment).stdout
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: .*", text)
    if wrong:
        raise RuntimeError(f"{script}: {wrong.group(0)}\n{cluster.complaints()}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
    count = int(re.search(r"(\d+) requests in", text).group(1))
    return rate, count, milliseconds(text, "50%"), milliseconds(text, "99%")


def milliseconds(text, percentile):
    value, unit = re.search(re.escape(percentile) + r"\s+([\d.]+)(us|ms|s)", text).groups()
    return float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


class Use:
    """CPU that the processes of each role spend on a request, by round."""

    def __init__(self, cluster):
        self._cluster = cluster
        self.by_role = {role: [] for role in ROLES}

    def round(self, body):
        before = {role: self._cluster.cpu_seconds(role) for role in ROLES}
        result = body()
        for role in ROLES:
            spent = self._cluster.cpu_seconds(role) - before[role]
            self.by_role[role].append(spent * 1e6 / result[1])
        return result

    def rows(self, what):
        names = {"router": "router", "guild": "guild nodes"}
        return [row(f"{what}: CPU of the {names[role]}", "µs CPU", "lower", self.by_role[role]) for role in ROLES]


def posts(cluster, folder):
    """Durable POSTs a second through the router, beside RocksDB's own synced batches of rows of an entry's size."""
    channels = cluster.channels_on_every_node(guilds=3, channels=7)
    wrk(cluster, "post.lua", channels)
    use = Use(cluster)
    rates, medians, tails, limits, sizes, batches = [], [], [], [], [], []

    def log():
        return [cluster.metric("guild", f"guildhall_log_batch_{name}")
                for name in ("bytes_sum", "entries_sum", "entries_count")]

    for number in range(ROUNDS):
        before = log()
        rate, _, p50, p99 = use.round(lambda: wrk(cluster, "post.lua", channels))
        written, entries, syncs = (now - then for now, then in zip(log(), before))
        rates.append(rate)
        medians.append(p50)
        tails.append(p99)
        sizes.append(written / entries)
        batches.append(entries / syncs)
        limits.append(answer(
            "rocksdb_limit", "write", folder / f"limit-{number}", round(written / entries), CLIENTS, SECONDS_A_ROUND))
    peer = f"RocksDB: synced batches of {CLIENTS} rows of an entry's size"
    yield row(f"durable POSTs through the router, {CLIENTS} clients", "1/s", "higher", rates, peer, limits)
    yield row("durable POST: latency p50", "ms", "lower", medians)
    yield row("durable POST: latency p99", "ms", "lower", tails)
    yield from use.rows("durable POST")
    yield row("durable POST: log entry", "B", "lower", sizes)
    yield row("durable POST: entries an fsync", "1", "higher", batches)


def pages(cluster, folder):
    """Newest-50 pages a second, beside a bare seek and 50 rows in RocksDB."""
    channels = cluster.channels_on_every_node(guilds=2, channels=2)
    # 64 clients post in turn to twelve channels: some hundred messages in each.
    wrk(cluster, "post.lua", channels)
    short = [id for id in channels if len(cluster.api("GET", f"/channels/{id}/messages?limit=50")) < 50]
    if short:
        raise RuntimeError("the channels were not filled")
    answer("rocksdb_limit", "fill", folder / "limit-pages", 300, 100, 1000)
    use = Use(cluster)
    rates, limits, medians, tails = [], [], [], []
    for _ in range(ROUNDS):
        rate, _, p50, p99 = use.round(lambda: wrk(cluster, "page.lua", channels))
        rates.append(rate)
        medians.append(p50)
        tails.append(p99)
        limits.append(answer("rocksdb_limit", "pages", folder / "limit-pages", 100, SECONDS_A_ROUND))
    yield row(f"newest-50 pages through the router, {CLIENTS} clients", "1/s", "higher", rates,
              "RocksDB: seek and 50 rows, one thread", limits)
    yield row("newest-50 page: latency p50", "ms", "lower", medians)
    yield row("newest-50 page: latency p99", "ms", "lower", tails)
    yield from use.rows("newest-50 page")
