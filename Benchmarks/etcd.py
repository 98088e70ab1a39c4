"""A real etcd of three members on this machine, as an operator would start it, for the benchmarks."""

import json
import os
import signal
import socket
import subprocess
import urllib.request

from shape import until

PROGRAM = "/usr/bin/etcd"
MEMBERS = ("etcd-1", "etcd-2", "etcd-3")


class Etcd:
    """Started and ended by a `with` statement."""

    def __init__(self, folder):
        self._folder = folder
        ports = _free_ports(2 * len(MEMBERS))
        self._client = {name: f"http://127.0.0.1:{ports.pop()}" for name in MEMBERS}
        self._peer = {name: f"http://127.0.0.1:{ports.pop()}" for name in MEMBERS}
        self._processes = {}

    @property
    def coordinator(self):
        """For `--coordinator`."""
        return "etcd:" + ",".join(self._client.values())

    def __enter__(self):
        for name in MEMBERS:
            self.start(name)
        self.until_whole()
        return self

    def __exit__(self, *_):
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()

    def start(self, name):
        command = [
            PROGRAM, "--name", name, "--data-dir", str(self._folder / name),
            "--listen-client-urls", self._client[name], "--advertise-client-urls", self._client[name],
            "--listen-peer-urls", self._peer[name], "--initial-advertise-peer-urls", self._peer[name],
            "--initial-cluster", ",".join(f"{member}={url}" for member, url in self._peer.items()),
            "--initial-cluster-state", "new", "--auto-compaction-mode", "periodic", "--auto-compaction-retention", "1h",
            "--log-level", "error", "--logger", "zap",
        ]
        with open(self._folder / f"{name}.log", "ab") as log:
            self._processes[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self, name):
        os.kill(self._processes[name].pid, signal.SIGKILL)

    def start_again(self, name):
        self._processes[name].wait()
        self.start(name)
        self.until_whole()

    def leader(self):
        """The member that leads, or None when none says so."""
        for name in MEMBERS:
            status = self._ask(name, "/v3/maintenance/status", {})
            if status and status["leader"] == status["header"]["member_id"]:
                return name
        return None

    def until_whole(self):
        until(lambda: all(self._ask(name, "/health") for name in MEMBERS) and self.leader(), 60,
              "etcd's members to be healthy")

    def _ask(self, name, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(self._client[name] + path, data=data, timeout=2) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return None


def _free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports
