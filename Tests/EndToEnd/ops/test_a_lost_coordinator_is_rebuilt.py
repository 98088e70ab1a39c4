"""The coordinator's data is lost for good while everything dies under load: from the guild nodes' disks the cluster comes
back with its id, its tokens and every acknowledged message; and not while a node is missing that may hold some."""

import asyncio
import json
import os
import shutil
import signal

import pytest

from harness.acknowledged import faults_of
from harness.cluster import until
from harness.writers import Load, whole_history


def registered(cluster):
    """The guild nodes' pids by name; empty while no router answers."""
    done = cluster.guildctl.run("node", "list", "--json", check=False)
    nodes = json.loads(done.stdout) if done.returncode == 0 else []
    return {node["id"]: node["pid"] for node in nodes if "guild" in node["roles"]}


async def rebuild(cluster, *arguments, check=True):
    return await asyncio.to_thread(cluster.guildctl.run, "coordinator", "rebuild", *arguments, check=check)


@pytest.mark.timeout(420)
async def test_every_acknowledged_message_survives_the_loss_of_the_coordinators_data(own_cluster, people_of, capsys):
    cluster = own_cluster(gateway_nodes=1, options=("--start-limit", "300"))
    identity = cluster.guildctl.json("cluster", "status")["cluster"]["cluster_id"]
    people = people_of(cluster)
    owner = await people.user("owner")
    nodes = cluster.names("guild")
    guilds = [await people.guild(owner, on=node) for node in nodes]
    channels = [await people.channel(owner, guild, "rebuilt") for guild in guilds]
    await until(
        lambda: cluster.guildctl.json("cluster", "status")["cluster"]["slots"]["under_replicated"] == 0, 60,
        "every slot to have its replicas")
    load = Load(owner, channels, writers_a_channel=2, label="load")
    load.start()
    await load.progress(10)
    # The primaries change, so that rows and logs differ from disk to disk.
    killed = cluster.kill(nodes[0])
    await cluster.restarted(nodes[0], killed)
    await load.progress(10)
    cluster.kill_everything()
    await load.stop()
    shutil.rmtree(cluster.data / "router-1" / "coordinator")

    assert identity in cluster.guildctl.run("coordinator", "restore-record").stdout
    starting = asyncio.create_task(asyncio.to_thread(cluster.start))
    pids = await until(lambda: len(found := registered(cluster)) == 3 and found, 60, "the guild nodes to register")
    # One of them does not answer: it may hold what the others lack.
    os.kill(pids[nodes[2]], signal.SIGSTOP)
    plan = await rebuild(cluster, "--plan", check=False)
    assert plan.returncode == 2 and f"missing   {nodes[2]} (1024 slots)" in plan.stdout
    refused = await rebuild(cluster, "--yes", check=False)
    assert refused.returncode == 2 and "--accept-loss" in refused.stderr
    os.kill(pids[nodes[2]], signal.SIGCONT)

    async def is_planned():
        return (await rebuild(cluster, "--plan", check=False)).returncode == 0
    await until(is_planned, 60, "all guild nodes to answer")
    assert "1024 rows are written" in (await rebuild(cluster, "--yes")).stdout
    await starting
    assert cluster.guildctl.json("cluster", "status")["cluster"]["cluster_id"] == identity
    assert any("coordinator rebuild: 1024 rows" in line for line in cluster.guildctl.json("cluster", "audit"))
    again = await rebuild(cluster, "--yes", check=False)
    assert again.returncode == 2 and "nothing to rebuild" in again.stderr

    for channel in channels:
        faults = faults_of(load.writers[channel["id"]], await whole_history(owner, channel["id"]))
        assert faults == [], faults[:20]
    # And it goes on: the same token, new messages, all replicas.
    more = Load(owner, channels, writers_a_channel=1, label="more")
    more.start()
    await more.progress(3)
    await more.stop()
    await until(
        lambda: cluster.guildctl.json("cluster", "status")["cluster"]["slots"]["under_replicated"] == 0, 60,
        "every slot to have its replicas again")
    with capsys.disabled():
        print(f"\n{sum(load.acknowledged().values())} messages acknowledged before the loss, all there")
