"""A cluster of release-built processes for the benchmarks, and what they ask of it."""

import http.client
import json
import os
import pathlib
import subprocess
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
ATTEMPT_SECONDS = 30


class Cluster:
    """Starts a cluster with `scripts/run --detach` in a folder, and stops it."""

    def __init__(self, folder, gateway_nodes=1, guild_nodes=3):
        self.data = folder / "data"
        subprocess.run(
            [str(ROOT / "scripts/run"), "--detach", "--port", "0", "--data", str(self.data),
             "--guild-nodes", str(guild_nodes), "--gateway-nodes", str(gateway_nodes)],
            check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        facts = json.loads((self.data / "cluster.json").read_text())
        self.url = facts["url"]
        self.admin_token = facts["admin_token"]
        self.owner_token = facts["owner"]["token"]
        self.processes = facts["processes"]
        address = urllib.parse.urlsplit(self.url)
        self.host, self.port = address.hostname, address.port
        self._connection = http.client.HTTPConnection(self.host, self.port, timeout=ATTEMPT_SECONDS)

    def stop(self):
        subprocess.run([str(ROOT / "scripts/run"), "stop", "--data", str(self.data)], check=False,
                       stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def pids(self, role):
        return [process["pid"] for process in self.processes if process["role"] == role]

    def ask(self, method, path, body=None, authorization=None):
        """One request; its decoded JSON. Raises on anything but 2xx."""
        headers = {"Authorization": authorization or self.owner_token}
        data = None
        if body is not None:
            data = json.dumps(body)
            headers["Content-Type"] = "application/json"
        self._connection.request(method, path, body=data, headers=headers)
        response = self._connection.getresponse()
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

    def bots_in(self, guild, count):
        """Tokens of that many new bots, each a member of the guild."""
        tokens = []
        for number in range(count):
            bot = self.admin("POST", "/bots", {"name": f"bench{number}-{os.getpid()}"})
            self.admin("PUT", f"/guilds/{guild}/bots/{bot['id']}", {})
            tokens.append(bot["token"])
        return tokens


def cpu_seconds(pid):
    """User and system CPU time of a process, to the nanosecond (the kernel's CPU clock of a process)."""
    return time.clock_gettime((~pid << 3) | 2)


def resident_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"process {pid} is gone")
