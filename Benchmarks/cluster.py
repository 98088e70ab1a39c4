"""A cluster of release-built processes for the benchmarks, and what they ask of it."""

import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
ATTEMPT_SECONDS = 30
CONCURRENT_CREATIONS = 16


class Cluster:
    """Starts a cluster with `scripts/run --detach` in a folder, and stops it at the end of a `with` statement."""

    def __init__(self, folder, guild_nodes=3, coordinator=None, log_level="warning"):
        self.data = folder / "data"
        self._options = ["--guild-nodes", str(guild_nodes), "--gateway-nodes", "1", "--log-level", log_level]
        if coordinator is not None:
            self._options += ["--coordinator", coordinator]

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def _start(self):
        subprocess.run(
            [str(ROOT / "scripts/run"), "--detach", "--port", "0", "--data", str(self.data), *self._options],
            check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        facts = json.loads((self.data / "cluster.json").read_text())
        self.url = facts["url"]
        self.admin_token = facts["admin_token"]
        self.owner_token = facts["owner"]["token"]
        self.processes = facts["processes"]
        address = urllib.parse.urlsplit(self.url)
        self.host, self.port = address.hostname, address.port
        self._connections = threading.local()
        self._health_ports = {
            role: [node["health_port"] for node in self.admin("GET", "/nodes")["nodes"] if role in node["roles"]]
            for role in ("router", "guild", "gateway")}

    def stop(self):
        subprocess.run([str(ROOT / "scripts/run"), "stop", "--data", str(self.data)], check=False,
                       stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def complaints(self):
        """What its processes have logged: warnings and errors."""
        return "".join(pathlib.Path(process["log"]).read_text() for process in self.processes)

    def pids(self, role):
        return [process["pid"] for process in self.processes if process["role"] == role]

    def cpu_seconds(self, role):
        return sum(cpu_seconds(pid) for pid in self.pids(role))

    def metric(self, role, name):
        """The sum of a metric over the processes of a role and its labels."""
        total = 0.0
        for port in self._health_ports[role]:
            connection = http.client.HTTPConnection(self.host, port, timeout=ATTEMPT_SECONDS)
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
            connection.close()
            values = re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.M)
            if not values:
                raise RuntimeError(f"the {role} at port {port} has no metric {name}")
            total += sum(map(float, values))
        return total

    def ask(self, method, path, body=None, authorization=None):
        """One request; its decoded JSON. Raises on anything but 2xx. May be called by many threads."""
        connection = getattr(self._connections, "of_thread", None)
        if connection is None:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=ATTEMPT_SECONDS)
            self._connections.of_thread = connection
        headers = {"Authorization": authorization or self.owner_token}
        data = None
        if body is not None:
            data = json.dumps(body)
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, body=data, headers=headers)
            response = connection.getresponse()
        except http.client.RemoteDisconnected:
            # The router closes connections that nobody uses; this request has not been read then.
            connection.close()
            connection.request(method, path, body=data, headers=headers)
            response = connection.getresponse()
        text = response.read()
        if response.status // 100 != 2:
            raise RuntimeError(f"{method} {path}: {response.status} {text[:300]!r}")
        return json.loads(text) if text else None

    def api(self, method, path, body=None):
        return self.ask(method, "/api/v10" + path, body)

    def admin(self, method, path, body=None):
        return self.ask(method, "/admin/v1" + path, body, "Bearer " + self.admin_token)

    def guild_with_channels(self, channels, name="bench"):
        """A new guild: its id and the ids of that many text channels."""
        guild = self.api("POST", "/guilds", {"name": name})
        ids = [self.api("POST", f"/guilds/{guild['id']}/channels", {"name": f"c{i}", "type": 0})["id"]
               for i in range(channels)]
        return guild["id"], ids

    def channels_on_every_node(self, guilds, channels):
        """Ids of new text channels: that many in each of that many guilds on each guild node.

        Guilds fall on nodes by chance, and how many share a node's log decides on the size of its batches.
        """
        primaries = {shard["slot"]: shard["primary"] for shard in self.admin("GET", "/shards")["shards"]}
        wanted = {node: guilds for node in set(primaries.values())}
        ids = []
        while any(wanted.values()):
            guild = self.api("POST", "/guilds", {"name": "bench"})
            node = primaries[int(guild["id"]) >> 12 & 0x3ff]
            if wanted[node]:
                wanted[node] -= 1
                ids += [self.api("POST", f"/guilds/{guild['id']}/channels", {"name": f"c{i}", "type": 0})["id"]
                        for i in range(channels)]
        return ids

    def bots_in(self, guild, count):
        """Tokens of that many new bots, each a member of the guild."""
        def make(number):
            bot = self.admin("POST", "/bots", {"name": f"bench{number}-{os.getpid()}"})
            self.admin("PUT", f"/guilds/{guild}/bots/{bot['id']}", {})
            return bot["token"]

        with concurrent.futures.ThreadPoolExecutor(CONCURRENT_CREATIONS) as threads:
            return list(threads.map(make, range(count)))


def cpu_seconds(pid):
    """User and system CPU time of a process, to the nanosecond (the kernel's CPU clock of a process)."""
    return time.clock_gettime((~pid << 3) | 2)


def resident_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} is gone")


def say(text):
    print(text, file=sys.stderr, flush=True)
