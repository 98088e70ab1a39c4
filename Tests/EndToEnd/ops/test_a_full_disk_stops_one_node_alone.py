"""Not a byte is left on the disk of one guild node of three: it gives its slots away, or ends with a line that says why;
the others go on, and it comes back and catches up by itself when there is space."""

import asyncio
import contextlib
import errno
import subprocess

import pytest

from harness.acknowledged import faults_of
from harness.cluster import until
from harness.writers import Load, whole_history

MEGABYTES = 128


@pytest.fixture
def small_disk(tmp_path):
    """Where the first cluster of this test puts guild-3's data, on a file system of its own."""
    folder = tmp_path / "data-0" / "guild-3"
    folder.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "small-disk", folder], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"this user may not mount a small disk: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder):
    with open(folder / "filler", "ab", buffering=0) as filler, contextlib.suppress(OSError):
        while filler.write(bytes(1 << 16)):
            pass
    with open(folder / "filler", "ab", buffering=0) as filler:
        try:
            while filler.write(bytes(1)):
                pass
        except OSError as problem:
            assert problem.errno == errno.ENOSPC


def node(cluster, name):
    return next(node for node in cluster.guildctl.json("node", "list") if node["id"] == name)


def is_whole(cluster):
    return cluster.guildctl.json("cluster", "status")["cluster"]["slots"]["under_replicated"] == 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("ballast", ["64MiB", "0"])
async def test_the_others_go_on_and_it_comes_back(small_disk, own_cluster, people_of, monkeypatch, ballast):
    monkeypatch.setenv("GUILDHALL_DISK_BALLAST", ballast)
    cluster = own_cluster(gateway_nodes=1)
    name, log = "guild-3", lambda: cluster.log("guild-3")
    people = people_of(cluster)
    owner = await people.user("owner")
    guilds = [await people.guild(owner, on=node) for node in cluster.names("guild")]
    channels = [await people.channel(owner, guild, "full") for guild in guilds]
    await until(lambda: is_whole(cluster), 60, "every slot to have its replicas")
    load = Load(owner, channels, writers_a_channel=2, label="load")
    load.start()
    await load.progress(10)
    first = cluster.pid(name)
    await asyncio.to_thread(fill, small_disk)
    if ballast == "0":
        # A start gives back what RocksDB had set aside for its log, and finds it taken when it wants it again.
        cluster.kill(name)

        async def has_ended():
            await asyncio.to_thread(fill, small_disk)
            return "the disk is full: free space on it" in log()
        await until(has_ended, 60, "the node to end for want of space")
    else:
        await until(lambda: node(cluster, name)["is_disk_full"], 60, "the node to say that its disk is full")
        await until(lambda: node(cluster, name)["primary_slots"] == 0, 60, "the node to lead nothing")
        assert name in cluster.guildctl.run("cluster", "status").stdout.split("disk nearly full: ")[1].splitlines()[0]
        assert cluster.pid(name) == first, "the ballast's space is enough"
    await load.progress(20)
    assert all(cluster.pid(other) is not None for other in ("guild-1", "guild-2"))

    (small_disk / "filler").unlink()
    await cluster.until_ready(90)
    await until(lambda: is_whole(cluster), 90, "every slot to have its replicas again")
    await until(lambda: not node(cluster, name)["is_disk_full"], 30, "the node to say that there is space")
    await load.progress(5)
    await load.stop()
    for channel in channels:
        faults = faults_of(load.writers[channel["id"]], await whole_history(owner, channel["id"]))
        assert faults == [], faults[:20]
    assert cluster.stop() == 0
