"""What `scripts/bench` measures. Each measure takes a cluster and yields rows; rounds are interleaved with the peer's."""

import os
import re
import socket
import statistics
import subprocess
import time

from cluster import cpu_seconds, resident_bytes
from peers import Conversation, answer

ROUNDS = 5
SECONDS_A_ROUND = 4
CLIENTS = 64
SESSIONS = 2000
LATENCY_SAMPLES_A_ROUND = 100


def row(name, unit, better, values, peer=None, peer_values=None):
    """A row of the table: the medians of the rounds, and (largest − smallest) / median as the spread."""
    value = statistics.median(values)
    peer_value = statistics.median(peer_values) if peer_values else None
    return {
        "name": name, "value": value, "unit": unit, "better": better, "peer": peer, "peer_value": peer_value,
        "ratio": value / peer_value if peer_value else None,
        "spread": (max(values) - min(values)) / value if value else 0,
    }


def wrk(cluster, script, channels):
    """Requests a second, and the latencies p50 and p99 in milliseconds, of one round."""
    environment = dict(os.environ, BENCH_CHANNELS=",".join(channels), BENCH_AUTHORIZATION=cluster.owner_token)
    folder = os.path.dirname(os.path.abspath(__file__))
    text = subprocess.run(
        ["wrk", "-t", "1", "-c", str(CLIENTS), "-d", f"{SECONDS_A_ROUND}s", "--latency", "-s",
         os.path.join(folder, script), cluster.url],
        check=True, capture_output=True, text=True, env=environment).stdout
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: .*", text)
    if wrong:
        raise RuntimeError(f"{script}: {wrong.group(0)}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
    return rate, milliseconds(text, "50%"), milliseconds(text, "99%")


def milliseconds(text, percentile):
    value, unit = re.search(re.escape(percentile) + r"\s+([\d.]+)(us|ms|s)", text).groups()
    return float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def log_bytes_a_post(cluster, before, after, posts):
    """How many bytes a POST wrote to the disks, from the kernel's counters of the guild nodes."""
    return max(1, round((after - before) / posts)) if posts else 1


def written_bytes(cluster):
    total = 0
    for pid in cluster.pids("guild"):
        with open(f"/proc/{pid}/io") as counters:
            total += int(re.search(r"^wchar: (\d+)", counters.read(), re.M).group(1))
    return total


def posts(cluster, folder):
    """Durable POSTs a second through the router, beside RocksDB's own synced batches of rows of the same size."""
    channels = []
    for number in range(8):
        channels += cluster.guild_with_channels(8, f"posts{number}")[1]
    wrk(cluster, "post.lua", channels)
    rates, medians, tails, limits = [], [], [], []
    for _ in range(ROUNDS):
        before = written_bytes(cluster)
        began = time.monotonic()
        rate, p50, p99 = wrk(cluster, "post.lua", channels)
        count = rate * (time.monotonic() - began)
        size = log_bytes_a_post(cluster, before, written_bytes(cluster), count)
        rates.append(rate)
        medians.append(p50)
        tails.append(p99)
        limits.append(answer("rocksdb_limit", "write", folder / "limit-write", size, CLIENTS, SECONDS_A_ROUND))
    peer = f"RocksDB synced batches of {CLIENTS} rows of {size} B"
    yield row("durable POSTs through the router, 64 clients", "1/s", "higher", rates, peer, limits)
    yield row("durable POST latency p50, 64 clients", "ms", "lower", medians)
    yield row("durable POST latency p99, 64 clients", "ms", "lower", tails)


def pages(cluster, folder):
    """Newest-50 pages a second, beside a bare seek and 50 rows in RocksDB."""
    channels = []
    for number in range(3):
        channels += cluster.guild_with_channels(4, f"pages{number}")[1]
    # 64 clients post in turn to twelve channels: some hundred messages in each.
    wrk(cluster, "post.lua", channels)
    short = [id for id in channels if len(cluster.api("GET", f"/channels/{id}/messages?limit=50")) < 50]
    if short:
        raise RuntimeError("the channels were not filled")
    answer("rocksdb_limit", "fill", folder / "limit-pages", 300, 100, 1000)
    rates, limits, tails = [], [], []
    for _ in range(ROUNDS):
        rate, _, p99 = wrk(cluster, "page.lua", channels)
        rates.append(rate)
        tails.append(p99)
        limits.append(answer("rocksdb_limit", "pages", folder / "limit-pages", 100, SECONDS_A_ROUND))
    yield row("newest-50 pages through the router", "1/s", "higher", rates, "RocksDB seek and 50 rows", limits)
    yield row("newest-50 page latency p99, 64 clients", "ms", "lower", tails)


class Poster:
    """Keep-alive connections that post one message each at the same moment."""

    def __init__(self, cluster, channel, count):
        self._sockets = [socket.create_connection((cluster.host, cluster.port)) for _ in range(count)]
        body = '{"content":"' + "a line of talk that goes to everyone who listens here, " * 3 + '"}'
        self._request = (
            f"POST /api/v10/channels/{channel}/messages HTTP/1.1\r\nHost: {cluster.host}\r\n"
            f"Authorization: {cluster.owner_token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()

    def post(self):
        """Posts once on each connection and waits for the answers; when it began, in nanoseconds."""
        began = time.monotonic_ns()
        for connection in self._sockets:
            connection.sendall(self._request)
        for connection in self._sockets:
            self._answer(connection)
        return began

    def close(self):
        for connection in self._sockets:
            connection.close()

    def _answer(self, connection):
        text = b""
        while b"\r\n\r\n" not in text:
            text += self._more(connection)
        head, _, rest = text.partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(text[:300])
        length = int(re.search(rb"content-length: (\d+)", head, re.I).group(1))
        while len(rest) < length:
            rest += self._more(connection)

    def _more(self, connection):
        data = connection.recv(65536)
        if not data:
            raise RuntimeError("the router closed the connection")
        return data


def deliveries(cluster, folder):
    """CPU of one gateway delivery to 2,000 sessions, beside a bare send loop; memory of a session; latency."""
    guild, (channel,) = cluster.guild_with_channels(1, "deliveries")
    (gateway,) = cluster.pids("gateway")
    tokens = folder / "tokens"
    tokens.write_text("\n".join(cluster.bots_in(guild, SESSIONS)) + "\n")
    time.sleep(2)
    before = resident_bytes(gateway)
    swarm = Conversation("swarm", cluster.host, cluster.port, "/gateway?v=10&encoding=json", SESSIONS, tokens)
    swarm.hear("ready")
    time.sleep(2)
    memory = (resident_bytes(gateway) - before) / SESSIONS
    limit = Conversation("send_loop", 0)
    (port,) = limit.hear("listening")
    limit_swarm = Conversation("swarm", "127.0.0.1", port, "/", SESSIONS)
    limit_swarm.hear("ready")
    singles = Poster(cluster, channel, 1)
    bursts = Poster(cluster, channel, 8)
    frame = 900
    cpu = {1: [], 8: []}
    bare = {1: [], 8: []}
    medians, tails = [], []
    for _ in range(ROUNDS):
        for burst, poster, times in ((1, singles, LATENCY_SAMPLES_A_ROUND), (8, bursts, 25)):
            latencies = []
            began_cpu = cpu_seconds(gateway)
            for _ in range(times):
                swarm.say(f"expect {burst}")
                swarm.hear("waiting")
                began = poster.post()
                for _ in range(burst):
                    latencies.append((int(swarm.hear("event")[1]) - began) / 1e6)
                swarm.hear("done")
            cpu[burst].append((cpu_seconds(gateway) - began_cpu) * 1e6 / (times * burst * SESSIONS))
            if burst == 1:
                latencies.sort()
                medians.append(latencies[len(latencies) // 2])
                tails.append(latencies[int(len(latencies) * 0.99)])
            limit_swarm.say(f"expect {burst * times}")
            limit_swarm.hear("waiting")
            limit.say(f"send {frame} {burst} {times}")
            bare[burst].append(int(limit.hear("sent")[0]) / 1000 / (times * burst * SESSIONS))
            for _ in range(burst * times):
                limit_swarm.hear("event")
            limit_swarm.hear("done")
    for poster in (singles, bursts):
        poster.close()
    for conversation in (swarm, limit_swarm, limit):
        conversation.close()
    yield row("gateway delivery to 2,000 sessions, single events", "µs CPU", "lower", cpu[1], "bare send loop", bare[1])
    yield row("gateway delivery to 2,000 sessions, bursts of 8", "µs CPU", "lower", cpu[8],
              "bare send loop, 8 frames a send", bare[8])
    yield row("resident memory of an idle session", "B", "lower", [memory])
    yield row("POST → last of 2,000 sessions, p50", "ms", "lower", medians)
    yield row("POST → last of 2,000 sessions, p99", "ms", "lower", tails)


MEASURES = {"posts": posts, "pages": pages, "deliveries": deliveries}
