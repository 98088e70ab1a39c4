"""Half of a cluster speaks the protocol's older version, under load; then all of it is upgraded, one by one.

By itself the older half are processes of this build with `--protocol-max`; `scripts/interop` puts an older build in
their place (E2E_OLD_PROGRAMS).
"""

import os
import sys
from pathlib import Path

import pytest

from harness.acknowledged import faults_of
from harness.cluster import PROGRAMS
from harness.listener import Listener
from harness.mixed import MixedCluster
from harness.people import People
from harness.rest import Rest
from harness.writers import Load, whole_history

OLD_PROGRAMS = os.environ.get("E2E_OLD_PROGRAMS")
MESSAGES = int(os.environ.get("E2E_INTEROP_MESSAGES", "15"))


class Trial:
    def __init__(self, cluster, conformance):
        self.cluster = cluster
        self.conformance = conformance
        self.rest = None
        self.listeners = []

    async def begin(self):
        await self.cluster.start()
        self.rest = Rest(self.cluster.url, self.conformance)
        self.people = People(self.cluster, self.rest)
        self.owner = await self.people.user("owner")
        self.guilds = {}
        for _ in range(200):
            guild = (await self.owner.rest.post("/guilds", {"name": People.new_name("guild")}, expect=201)).json
            self.guilds.setdefault(await self.cluster.where(guild["id"]), guild)
            if set(self.guilds) == set(self.cluster.guilds):
                break
        assert set(self.guilds) == set(self.cluster.guilds), "200 guilds, and a node without one"
        self.channels = [await self.people.channel(self.owner, guild) for guild in self.guilds.values()]
        # The router's turns put some on each gateway.
        for _ in range(2 * len(self.cluster.gateways)):
            self.listeners.append(await Listener.begin(self.people, self.owner, self.cluster.websocket_url))
        self.load = Load(self.owner, self.channels, 2, "mixed")
        self.load.start()
        await self.load.progress(MESSAGES)

    async def end(self):
        """Nothing is lost, doubled or out of order: for who wrote, and for who listened."""
        await self.load.progress(MESSAGES, 120)
        await self.load.stop()
        stored = set()
        for channel in self.channels:
            history = await whole_history(self.owner, channel["id"])
            faults = faults_of(self.load.writers[channel["id"]], history)
            assert faults == [], faults[:20]
            stored |= {identifier for identifier, _ in history}
        for listener in self.listeners:
            await listener.until(len(stored))
            assert len(listener.messages) == len(set(listener.messages)) == len(stored)
            assert set(listener.messages) == stored
        return len(stored)


    async def close(self):
        for listener in self.listeners:
            await listener.end()
        if self.rest is not None:
            await self.rest.close()
        killed = await self.cluster.stop()
        assert killed == [], f"had to be killed: {killed}"
        endings = [ending for process in self.cluster.processes.values() for ending in process.endings]
        assert endings == [], f"ended by themselves: {endings}"


@pytest.fixture
async def trial(tmp_path, conformance):
    trials = []

    async def make(**options):
        old = Path(OLD_PROGRAMS) if OLD_PROGRAMS else None
        trials.append(Trial(MixedCluster(tmp_path / "data", PROGRAMS, old_programs=old, **options), conformance))
        await trials[-1].begin()
        return trials[-1]

    yield make
    for made in trials:
        await made.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("is_router_old", [False, True], ids=["newer router", "older router"])
async def test_half_a_cluster_of_the_older_version_serves_and_is_upgraded_under_load(trial, capsys, is_router_old):
    made = await trial(is_router_old=is_router_old)
    cluster = made.cluster
    old = sorted(cluster.old & set(cluster.guilds))
    assert old and set(cluster.guilds) - set(old)
    shared = [holders for holders in await cluster.holders() if len(holders) > 1]
    assert not [holders for holders in shared if holders & set(old)], "an older node holds a slot with others"
    journaled = await cluster.metric("guildhall_gateway_journaled_sessions", cluster.gateways)
    assert journaled == 0, "there is one gateway of the newer version, and it has no buddy"

    order = [cluster.router, *cluster.guilds, *cluster.gateways]
    for name in [name for name in order if name in cluster.old]:
        await cluster.replace(name, is_old=False)
        await made.load.progress(3, 90)
    assert cluster.old == set()
    messages = await made.end()
    unknown = sum(len(writer.unknown) for writers in made.load.writers.values() for writer in writers)
    with capsys.disabled():
        build = OLD_PROGRAMS or "this build with --protocol-max 1"
        print(f"\n{messages} messages, {unknown} without an answer, {len(made.listeners)} listeners; older half: {build}",
              file=sys.stderr)
