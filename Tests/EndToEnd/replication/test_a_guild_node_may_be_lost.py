"""A guild node of three is killed for good under writers and listeners: writes go on after seconds, nothing is lost, no
session has a gap; when it is back, another one may go."""

import asyncio
import time

import pytest

from harness.acknowledged import faults_of
from harness.cluster import until
from harness.listener import Listener
from harness.writers import Load, whole_history

# The replicas' silence (3 s), their campaign, and what a busy test machine adds.
LONGEST_PAUSE = 9


class Gone:
    """A node that the supervisor cannot start again, until it is let back."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name
        self.settings = cluster.data / "config" / f"{name}.yaml"
        self.kept = self.settings.read_text()

    def begin(self):
        self.settings.write_text("node: [no settings")
        return self.cluster.kill(self.name)

    def end(self):
        self.settings.write_text(self.kept)


def replicated(cluster):
    """Whether every slot has all its replicas in the in-sync set."""
    slots = cluster.guildctl.json("cluster", "status")["cluster"]["slots"]
    return slots["under_replicated"] == 0


async def longest_pause(load, channel, seconds):
    """The longest time without an acknowledgement in one channel, looked at for some seconds."""
    begun = last = time.monotonic()
    longest = 0.0
    count = sum(len(writer.acknowledged) for writer in load.writers[channel["id"]])
    while time.monotonic() - begun < seconds:
        await asyncio.sleep(0.01)
        now = sum(len(writer.acknowledged) for writer in load.writers[channel["id"]])
        if now > count:
            count, last = now, time.monotonic()
        longest = max(longest, time.monotonic() - last)
    return longest


@pytest.mark.timeout(300)
async def test_writes_and_sessions_go_on_without_a_guild_node(own_cluster, people_of, capsys):
    cluster = own_cluster(gateway_nodes=1)
    people = people_of(cluster)
    owner = await people.user("owner")
    nodes = cluster.names("guild")
    guilds = [await people.guild(owner, on=node) for node in nodes]
    channels = [await people.channel(owner, guild, "lost") for guild in guilds]
    listener = await Listener.begin(people, owner, cluster.websocket_url)
    load = Load(owner, channels, writers_a_channel=2, label="load")
    load.start()
    await load.progress(10)
    pauses = []
    for victim in nodes[:2]:
        await until(lambda: replicated(cluster), 60, "every slot to have its replicas")
        gone = Gone(cluster, victim)
        gone.begin()
        pauses += await asyncio.gather(*(longest_pause(load, channel, 12) for channel in channels))
        await load.progress(5)
        gone.end()
        await until(lambda: cluster.pid(victim) is not None, 60, f"{victim} to run again")
    await load.stop()
    acknowledged = [identifier for writers in load.writers.values() for writer in writers
                    for identifier in writer.acknowledged.values()]
    stored = {}
    for channel in channels:
        history = await whole_history(owner, channel["id"])
        stored[channel["id"]] = [identifier for identifier, _ in history]
        faults = faults_of(load.writers[channel["id"]], history)
        assert faults == [], faults[:20]
    # The session was told of each message once, in each channel in order.
    await listener.until(len(set().union(*stored.values())))
    assert listener.invalidations == 0
    for identifiers in stored.values():
        mine = set(identifiers)
        assert [identifier for identifier in listener.messages if identifier in mine] == identifiers
    await listener.end()
    with capsys.disabled():
        print(f"\n{len(acknowledged)} messages acknowledged; the longest pauses: "
              + ", ".join(f"{pause:.1f} s" for pause in sorted(pauses, reverse=True)))
    assert max(pauses) < LONGEST_PAUSE
