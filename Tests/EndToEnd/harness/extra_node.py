"""Guild nodes beside those that the supervisor runs: machines that join a cluster and leave it."""

import os
import signal
import subprocess

from harness.cluster import PROGRAMS, says_ready, until


class ExtraNode:
    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name
        self.process = None
        self.folder = cluster.data.parent / f"{cluster.data.name}-{name}"
        self.log = cluster.data / "log" / f"{name}.log"

    def start(self):
        self.folder.mkdir(exist_ok=True)
        text = (self.cluster.data / "config" / "guild-1.yaml").read_text()
        text = text.replace(str(self.cluster.data / "guild-1"), str(self.folder / "store"))
        config = self.folder / "node.yaml"
        config.write_text(text.replace('"guild-1"', f'"{self.name}"'))
        self.process = subprocess.Popen(
            [PROGRAMS / "guildhall-node", "--config", config], stdin=subprocess.DEVNULL,
            stdout=open(self.log, "ab"), stderr=subprocess.STDOUT,
        )
        return self

    async def ready(self, limit=60):
        """Waits until the node is registered and says that it is ready."""
        await until(self._is_ready, limit, f"{self.name} to be ready; its log is {self.log}")
        return self

    def _is_ready(self):
        assert self.process.poll() is None, f"{self.name} ended: {self.log.read_text()[-2000:]}"
        nodes = self.cluster.guildctl.json("node", "list")
        return any(node["pid"] == self.process.pid and says_ready(node) for node in nodes)

    def kill(self):
        self._end(signal.SIGKILL)

    def stop(self):
        self._end(signal.SIGTERM)

    def _end(self, number):
        if self.process is not None:
            os.kill(self.process.pid, number)
            self.process.wait(30)
            self.process = None
