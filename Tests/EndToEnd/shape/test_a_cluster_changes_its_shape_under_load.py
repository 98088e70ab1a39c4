"""Growing, rebalancing, draining and upgrading while writers write: nothing that was acknowledged may be missing."""

import asyncio
import json
import os
import subprocess
from pathlib import Path

import pytest

from harness.acknowledged import faults_of
from harness.cluster import PROGRAMS, until
from harness.writers import Load, whole_history

SLOTS = 1024
# The programs of an older build, for what only scripts/interop can try.
OLD_PROGRAMS = os.environ.get("E2E_OLD_PROGRAMS")


async def guildctl(cluster, *arguments, limit=240):
    """Runs a long command beside the load."""
    process = await asyncio.create_subprocess_exec(
        str(PROGRAMS / "guildctl"), *arguments, "--data", str(cluster.data),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), limit)
    assert process.returncode == 0, f"{arguments}: {process.returncode}\n{out.decode()}\n{err.decode()}"
    return out.decode()


async def loaded(cluster, people, label):
    """Writers on guilds of each guild node."""
    owner = await people.user("owner")
    nodes = cluster.names("guild")
    guilds = [await people.guild(owner, on=node) for node in nodes]
    channels = [await people.channel(owner, guild, label) for guild in guilds]
    load = Load(owner, channels, writers_a_channel=2, label=label)
    load.start()
    await load.progress(5)
    return owner, load


async def finish(owner, load):
    """Every writer goes on; then what it was told is compared with what is stored."""
    await load.progress(5)
    await load.stop()
    for channel in load.channels:
        faults = faults_of(load.writers[channel["id"]], await whole_history(owner, channel["id"]))
        assert faults == [], faults[:20]
    writers = [writer for writers in load.writers.values() for writer in writers]
    assert sum(len(writer.refused) for writer in writers) == 0
    assert sum(len(writer.unknown) for writer in writers) == 0, [w.unknown for w in writers if w.unknown][:5]


@pytest.mark.timeout(600)
async def test_a_fourth_node_gets_its_quarter_and_is_emptied_again(own_cluster, people_of, extra_node, shape_of):
    cluster = own_cluster(gateway_nodes=1)
    shape = shape_of(cluster)
    await shape.whole(3)
    owner, load = await loaded(cluster, people_of(cluster), "fourth")
    fourth = await extra_node(cluster, "guild-4").ready()
    assert shape.copies("guild-4") == 0, "a node that joins takes nothing by itself"

    # The counts are of a window of five seconds, and arrive with the next poll.
    guilds = {channel["guild_id"] for channel in load.channels}
    hottest = await until(
        lambda: [guild for guild in cluster.guildctl.json("top", "--count", "5")["guilds"] if guild["guild"] in guilds],
        60, "the guilds that are written to among the hottest")
    assert all(guild["events"] > 0 and guild["written_bytes"] > 0 and guild["node"] for guild in hottest)

    plan = cluster.guildctl.json("rebalance", "--plan")
    wanted = next(node for node in plan["nodes"] if node["id"] == "guild-4")["after"]
    assert plan["moves"] and wanted["primaries"] > 0
    job = json.loads(await guildctl(cluster, "rebalance", "--apply", "--yes", "--json", "--measure", "slots"))
    assert job["state"] == "done" and job["dropped"] == 0 and job["left"] == 0
    await shape.whole(3)
    quarter = SLOTS / 4
    assert abs(shape.primaries("guild-4") - quarter) <= quarter * 0.1
    assert abs(shape.copies("guild-4") - 3 * quarter) <= 3 * quarter * 0.1

    refused = cluster.guildctl.run("node", "remove", "guild-4", "--yes", check=False)
    assert refused.returncode == 2 and "drain it" in refused.stderr
    await guildctl(cluster, "node", "drain", "guild-4", "--yes")
    assert shape.copies("guild-4") == 0
    fourth.stop()
    cluster.guildctl.run("node", "remove", "guild-4", "--yes")
    await shape.whole(3)
    await finish(owner, load)


@pytest.mark.timeout(600)
async def test_an_upgrade_restarts_every_process_and_fails_no_request(own_cluster, people_of, shape_of):
    cluster = own_cluster(gateway_nodes=1)
    shape = shape_of(cluster)
    await shape.whole(3)
    owner, load = await loaded(cluster, people_of(cluster), "upgrade")
    before = {process["name"]: process["pid"] for process in cluster.file["processes"]}
    led = {name: shape.primaries(name) for name in cluster.names("guild")}
    # The router is the clients' only one here: without it there is nobody who could answer them.
    names = [name for name in before if not name.startswith("router")]
    only = [argument for name in names for argument in ("--only", name)]
    restarted = json.loads(await guildctl(cluster, "upgrade", "--yes", "--json", *only, limit=400))
    assert sorted(process["name"] for process in restarted) == sorted(names)
    for process in restarted:
        assert process["old_pid"] == before[process["name"]] != process["new_pid"]
    assert {name: shape.primaries(name) for name in led} == led, "each leads again what it led"
    await finish(owner, load)
    await guildctl(cluster, "upgrade", "--yes", "--only", "router-1")
    assert cluster.guildctl.json("upgrade", "--finalize", "--yes")["data_format"] >= 1


@pytest.mark.timeout(600)
async def test_one_node_grows_to_three_with_its_data_and_bears_the_loss_of_one(
    own_cluster, people_of, extra_node, shape_of
):
    cluster = own_cluster(guild_nodes=1, gateway_nodes=1)
    shape = shape_of(cluster)
    assert shape.replication["replication_factor"] == 1
    owner, load = await loaded(cluster, people_of(cluster), "growing")
    await grow(cluster, shape, extra_node, owner, load)


@pytest.mark.skipif(OLD_PROGRAMS is None, reason="needs an older build: scripts/interop")
@pytest.mark.timeout(600)
async def test_data_of_an_older_build_grows_to_three_nodes(own_cluster, people_of, extra_node, shape_of):
    cluster = own_cluster(guild_nodes=1, gateway_nodes=1, programs=Path(OLD_PROGRAMS))
    people = people_of(cluster)
    owner = await people.user("owner")
    guilds = [await people.guild(owner) for _ in range(20)]
    channels = [await people.channel(owner, guild, "old") for guild in guilds]
    load = Load(owner, channels, writers_a_channel=1, label="old")
    load.start()
    await load.progress(20)
    await finish(owner, load)
    before = {channel["id"]: await whole_history(owner, channel["id"]) for channel in channels}
    assert cluster.stop() == 0

    cluster.use(PROGRAMS).start()
    after = {channel["id"]: await whole_history(owner, channel["id"]) for channel in channels}
    assert after == before and sum(map(len, after.values())) >= 400
    channels = [await people.channel(owner, guild, "new") for guild in guilds[:4]]
    load = Load(owner, channels, writers_a_channel=2, label="new")
    load.start()
    await load.progress(5)
    await grow(cluster, shape_of(cluster), extra_node, owner, load)
    for channel, history in before.items():
        assert await whole_history(owner, channel) == history


async def grow(cluster, shape, extra_node, owner, load):
    """From one node to three under load, as the guide says; then one is lost."""
    second = await extra_node(cluster, "guild-2").ready()
    await shape.whole(2)
    third = await extra_node(cluster, "guild-3").ready()
    await shape.whole(3)
    assert shape.primaries("guild-1") == SLOTS, "primaries do not move by themselves"
    assert {row["minimum"] for row in shape.rows} == {2}
    await guildctl(cluster, "rebalance", "--apply", "--yes", "--measure", "slots")
    assert min(shape.primaries(node) for node in ("guild-1", "guild-2", "guild-3")) > SLOTS / 3 * 0.9
    await finish(owner, load)

    third.kill()
    again = Load(owner, load.channels, writers_a_channel=1, label="after the loss")
    again.start()
    await again.progress(10)
    await again.stop()
    assert second.process.poll() is None


@pytest.mark.timeout(300)
async def test_a_slot_whose_other_copies_are_gone_is_recovered_by_an_operators_word(
    own_cluster, people_of, extra_node, shape_of
):
    cluster = own_cluster(guild_nodes=1, gateway_nodes=1)
    shape = shape_of(cluster)
    people = people_of(cluster)
    owner = await people.user("owner")
    guild = await people.guild(owner)
    channel = await people.channel(owner, guild)
    path = f"/channels/{channel['id']}/messages"
    sent = (await owner.rest.post(path, {"content": "before"})).json
    other = await extra_node(cluster, "guild-2").ready()
    await shape.whole(2)
    slot = str(cluster.guildctl.json("guild", "where", guild["id"])["slot"])
    refused = cluster.guildctl.run(
        "shard", "recover", slot, "--from", "guild-1", "--accept-loss", "--yes", check=False)
    assert refused.returncode == 2 and "guild-2 runs" in refused.stderr

    other.kill()
    async with asyncio.timeout(60):
        while "guild-2" in [node["id"] for node in cluster.guildctl.json("node", "list")]:
            await asyncio.sleep(0.2)
    answer = await owner.rest.call("POST", path, json_body={"content": "refused"})
    assert answer.status in (503, 504, 520), "two copies are needed, and one is left"
    without = cluster.guildctl.run("shard", "recover", slot, "--from", "guild-1", check=False)
    assert without.returncode == 2 and "--accept-loss" in without.stderr
    # The author's slot asks whose token it is: it is in the same need.
    for number in {slot, str(cluster.guildctl.json("guild", "where", owner.id)["slot"])}:
        row = json.loads(await guildctl(
            cluster, "shard", "recover", number, "--from", "guild-1", "--accept-loss", "--yes", "--json"))
        assert row["in_sync"] == ["guild-1"] and row["minimum"] == 1
    async with asyncio.timeout(60):
        while (answer := await owner.rest.call("POST", path, json_body={"content": "after"})).status != 200:
            await asyncio.sleep(0.2)
    contents = [content for _, content in await whole_history(owner, channel["id"])]
    assert contents[0] == sent["content"] and contents[-1] == "after"
    assert any(f"shard recover {slot} from guild-1" in line for line in cluster.guildctl.json("cluster", "audit"))
