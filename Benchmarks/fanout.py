"""What a gateway spends on sessions: CPU of a delivery, memory at rest, and the time from a POST to the last session."""

import re
import socket
import time

from cluster import cpu_seconds, resident_bytes
from peers import Conversation
from rows import ROUNDS, row

SESSIONS = 2000
# Events of a round: single ones, each awaited, and bursts of eight that are posted at the same moment.
SINGLES = 100
BURST = 8
BURSTS = 25
PLAIN = "/gateway?v=10&encoding=json"
COMPRESSED = PLAIN + "&compress=zlib-stream"


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


class Fanout:
    """Sessions of one guild at one gateway, and as many sockets of a bare send loop."""

    def __init__(self, cluster, folder, path):
        guild, (self._channel,) = cluster.guild_with_channels(1, "fanout")
        (self._gateway,) = cluster.pids("gateway")
        tokens = folder / "tokens"
        tokens.write_text("\n".join(cluster.bots_in(guild, SESSIONS)) + "\n")
        self._cluster = cluster
        before = self._idle_bytes()
        self._swarm = Conversation("swarm", cluster.host, cluster.port, path, SESSIONS, tokens)
        self._swarm.hear("ready")
        # What READY and GUILD_CREATE left for a RESUME is acknowledged, as libraries do within a heartbeat's time.
        self._swarm.say("heartbeat")
        self._swarm.hear("done")
        self.session_bytes = (self._idle_bytes() - before) / SESSIONS
        self._limit = Conversation("send_loop", 0)
        (port,) = self._limit.hear("listening")
        self._limit_swarm = Conversation("swarm", "127.0.0.1", port, "/", SESSIONS)
        self._limit_swarm.hear("ready")
        self.frame_bytes = 0
        self.latencies = []

    def _idle_bytes(self):
        """Resident memory of the gateway once it changes no more."""
        last = 0
        while True:
            time.sleep(1)
            now = resident_bytes(self._gateway)
            if now == last:
                return now
            last = now

    def close(self):
        for conversation in (self._swarm, self._limit_swarm, self._limit):
            conversation.close()

    def deliver(self, burst, times):
        """CPU of the gateway in µs a delivery. Leaves the latencies of all events, in ms, and the frame's size."""
        poster = Poster(self._cluster, self._channel, burst)
        self.latencies = []
        began_cpu = cpu_seconds(self._gateway)
        for _ in range(times):
            self._swarm.say(f"expect {burst}")
            self._swarm.hear("waiting")
            began = poster.post()
            for _ in range(burst):
                self.latencies.append((int(self._swarm.hear("event")[1]) - began) / 1e6)
            self.frame_bytes = int(self._swarm.hear("done")[0])
        spent = cpu_seconds(self._gateway) - began_cpu
        poster.close()
        self.latencies.sort()
        return spent * 1e6 / (times * burst * SESSIONS)

    def send_bare(self, burst, times):
        """CPU of the bare loop in µs a frame; the receivers take each round before the next one is sent."""
        spent = 0
        for _ in range(times):
            self._limit_swarm.say(f"expect {burst}")
            self._limit_swarm.hear("waiting")
            self._limit.say(f"send {self.frame_bytes} {burst} 1")
            spent += int(self._limit.hear("sent")[0])
            for _ in range(burst):
                self._limit_swarm.hear("event")
            self._limit_swarm.hear("done")
        return spent / 1000 / (times * burst * SESSIONS)


def measure(cluster, folder, path):
    fanout = Fanout(cluster, folder, path)
    ours = {1: [], BURST: []}
    bare = {1: [], BURST: []}
    medians, tails, frames = [], [], []
    fanout.deliver(BURST, 2)
    for _ in range(ROUNDS):
        for burst, times in ((1, SINGLES), (BURST, BURSTS)):
            ours[burst].append(fanout.deliver(burst, times))
            if burst == 1:
                medians.append(fanout.latencies[len(fanout.latencies) // 2])
                tails.append(fanout.latencies[int(len(fanout.latencies) * 0.99)])
            frames.append(fanout.frame_bytes)
            bare[burst].append(fanout.send_bare(burst, times))
    fanout.close()
    return fanout.session_bytes, ours, bare, medians, tails, frames


def deliveries(cluster, folder):
    """CPU of a delivery as text to 2,000 sessions, beside a bare send loop; memory of a session; latency."""
    memory, ours, bare, medians, tails, frames = measure(cluster, folder, PLAIN)
    yield row(f"delivery to {SESSIONS:,} sessions, single events", "µs CPU", "lower", ours[1], "bare send loop", bare[1])
    yield row(f"delivery to {SESSIONS:,} sessions, bursts of {BURST}", "µs CPU", "lower", ours[BURST],
              f"bare send loop, {BURST} frames a send", bare[BURST])
    yield row("delivery: frame", "B", "lower", frames)
    yield row("idle session: resident memory of the gateway", "B", "lower", [memory])
    yield row(f"POST → last of {SESSIONS:,} sessions, p50", "ms", "lower", medians)
    yield row(f"POST → last of {SESSIONS:,} sessions, p99", "ms", "lower", tails)


def compressed(cluster, folder):
    """The same for sessions of a zlib stream."""
    memory, ours, bare, _, _, frames = measure(cluster, folder, COMPRESSED)
    yield row(f"zlib-stream delivery to {SESSIONS:,} sessions, single events", "µs CPU", "lower", ours[1],
              "bare send loop of that size", bare[1])
    yield row(f"zlib-stream delivery to {SESSIONS:,} sessions, bursts of {BURST}", "µs CPU", "lower", ours[BURST],
              f"bare send loop, {BURST} frames a send", bare[BURST])
    yield row("zlib-stream delivery: frame", "B", "lower", frames)
    yield row("idle zlib-stream session: resident memory of the gateway", "B", "lower", [memory])
