"""etcd's data is lost for good: with a new etcd the cluster comes back from the guild nodes' disks."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

from harness.cluster import until
from harness.writers import whole_history


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listening.getsockname()[1] for listening in sockets]


class Etcd:
    """One member on loopback, as an operator runs it."""

    def __init__(self, folder):
        self.folder = folder
        client, peer = free_ports(2)
        self.url, self._peer = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"

    async def start(self):
        self.log = open(self.folder.parent / "etcd.log", "ab")
        self.process = subprocess.Popen([
            "/usr/bin/etcd", "--name", "one", "--data-dir", self.folder, "--listen-client-urls", self.url,
            "--advertise-client-urls", self.url, "--listen-peer-urls", self._peer, "--initial-advertise-peer-urls",
            self._peer, "--initial-cluster", f"one={self._peer}", "--logger", "zap", "--log-level", "warn",
        ], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        await until(self._is_healthy, 30, "etcd to answer")
        return self

    def _is_healthy(self):
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=2) as response:
                return b'"true"' in response.read()
        except (urllib.error.URLError, OSError):
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


@pytest.mark.timeout(300)
async def test_a_cluster_comes_back_after_the_loss_of_all_that_etcd_held(own_cluster, people_of, tmp_path):
    etcd = await Etcd(tmp_path / "etcd").start()
    try:
        cluster = own_cluster(
            gateway_nodes=1, options=("--coordinator", f"etcd:{etcd.url}", "--start-limit", "200"))
        identity = cluster.guildctl.json("cluster", "status")["cluster"]["cluster_id"]
        people = people_of(cluster)
        owner = await people.user("owner")
        guild = await people.guild(owner, on=cluster.names("guild")[0])
        channel = await people.channel(owner, guild)
        for number in range(10):
            await owner.rest.post(f"/channels/{channel['id']}/messages", {"content": f"{number}"}, expect=200)
        written = await whole_history(owner, channel["id"])
        assert len(written) == 10

        cluster.kill_everything()
        etcd.kill()
        shutil.rmtree(etcd.folder)
        await etcd.start()

        assert identity in cluster.guildctl.run("coordinator", "restore-record").stdout
        # Twice: it is there already, and is the same.
        assert identity in cluster.guildctl.run("coordinator", "restore-record").stdout
        starting = asyncio.create_task(asyncio.to_thread(cluster.start))

        def is_planned():
            return cluster.guildctl.run("coordinator", "rebuild", "--plan", check=False).returncode == 0
        await until(lambda: asyncio.to_thread(is_planned), 120, "all guild nodes to answer")
        done = await asyncio.to_thread(cluster.guildctl.run, "coordinator", "rebuild", "--yes")
        assert "1024 rows are written" in done.stdout
        await starting
        assert cluster.guildctl.json("cluster", "status")["cluster"]["cluster_id"] == identity
        assert await whole_history(owner, channel["id"]) == written
        await owner.rest.post(f"/channels/{channel['id']}/messages", {"content": "more"}, expect=200)
        assert cluster.stop() == 0
    finally:
        etcd.kill()
