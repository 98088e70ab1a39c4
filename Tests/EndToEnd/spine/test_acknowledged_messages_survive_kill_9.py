"""Twenty times a guild node is killed with SIGKILL while writers write; see `harness/acknowledged.py` for the promise."""

import pytest

from harness.acknowledged import faults_of
from harness.writers import Load, whole_history

ROUNDS = 20


@pytest.mark.timeout(600)
async def test_acknowledged_messages_are_there_once_and_in_order_after_each_kill(own_cluster, people_of, capsys):
    cluster = own_cluster(gateway_nodes=1)
    people = people_of(cluster)
    owner = await people.user("owner")
    nodes = cluster.names("guild")
    guilds = {node: await people.guild(owner, on=node) for node in nodes}
    rounds = []
    for number in range(ROUNDS):
        victim = nodes[number % len(nodes)]
        channels = [await people.channel(owner, guilds[node], f"round-{number}") for node in nodes]
        load = Load(owner, channels, writers_a_channel=2, label=f"r{number}")
        load.start()
        await load.progress(8)
        killed = cluster.kill(victim)
        await cluster.restarted(victim, killed)
        # The other nodes' writers never stopped; now the killed one's go on too.
        await load.progress(4)
        await load.stop()
        rounds.append(load)
        await check(owner, load)
    # What an early round left is still there after all the later kills, and after an orderly restart.
    for load in rounds:
        await check(owner, load)
    assert cluster.stop() == 0
    cluster.start()
    acknowledged = 0
    for load in rounds:
        await check(owner, load)
        acknowledged += sum(load.acknowledged().values())
    unknown = sum(len(writer.unknown) for load in rounds for writers in load.writers.values() for writer in writers)
    with capsys.disabled():
        print(f"\n{ROUNDS} kills: {acknowledged} messages acknowledged, {unknown} without an answer; all as promised")


async def check(owner, load):
    for channel in load.channels:
        faults = faults_of(load.writers[channel["id"]], await whole_history(owner, channel["id"]))
        assert faults == [], faults[:20]
