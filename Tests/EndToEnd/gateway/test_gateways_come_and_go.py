"""Gateways are drained and killed while their clients listen: every session resumes elsewhere, nothing lost or doubled."""

import asyncio
import signal
import sys

import aiohttp
import discord
import pytest
import yarl

from harness.cluster import until
from harness.listener import Listener, gateway_of
from harness.people import People
from harness.rest import Rest
from harness.writers import Load

LISTENERS = 9


class Hearer(discord.Client):
    """A discord.py bot that only listens."""

    def __init__(self):
        super().__init__(intents=discord.Intents.all())
        self.heard, self.failures = [], []
        self.readies = self.resumes = 0

    async def on_ready(self):
        self.readies += 1

    async def on_resumed(self):
        self.resumes += 1

    async def on_message(self, message):
        self.heard.append(str(message.id))

    async def on_error(self, event, *_):
        self.failures.append((event, sys.exc_info()[1]))

    @property
    def gateway(self):
        return gateway_of(self.ws.session_id)


class Scene:
    """A cluster of three gateways, writers on one channel, and those who listen."""

    def __init__(self, cluster, people):
        self.cluster = cluster
        self.people = people
        self.listeners = []
        self.bots = []

    async def begin(self, monkeypatch):
        self.owner = await self.people.user("owner")
        self.guild = await self.people.guild(self.owner)
        self.channel = await self.people.channel(self.owner, self.guild)
        for _ in range(LISTENERS):
            self.listeners.append(await Listener.begin(self.people, self.owner, self.cluster.websocket_url))
        monkeypatch.setattr(discord.http.Route, "BASE", f"{self.cluster.url}/api/v10")
        monkeypatch.setattr(
            discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(self.cluster.websocket_url)
        )
        # One after the other, so that the router's turns put one on each gateway.
        for _ in range(3):
            bot = self.people.bot(self.owner)
            await self.people.add_bot(self.owner, bot, self.guild, permissions=str(1 << 3))
            hearer = Hearer()
            hearer.running = asyncio.create_task(hearer.start(bot.token))
            await until(lambda: hearer.readies or hearer.running.done(), 30, "discord.py to be ready")
            self.bots.append(hearer)
        await self.journaled()
        self.load = Load(self.owner, [self.channel], 3, "load")
        self.load.start()
        await self.load.progress(10)
        return self

    async def journaled(self, limit=20):
        """Waits until every session is at a buddy: only then may its gateway be lost."""
        sessions = LISTENERS + 3

        async def is_so():
            total = await self.metric("guildhall_gateway_journaled_sessions")
            return total == sessions

        await until(is_so, limit, f"{sessions} sessions to be journaled")

    async def metric(self, name):
        total = 0
        async with aiohttp.ClientSession() as http:
            for node in self.cluster.guildctl.json("node", "list"):
                if "gateway" not in node["roles"]:
                    continue
                try:
                    async with http.get(f"http://{node['host']}:{node['health_port']}/metrics") as answer:
                        lines = (await answer.text()).splitlines()
                except aiohttp.ClientError:
                    continue
                total += sum(float(line.split()[-1]) for line in lines if line.split(" ")[0] == name)
        return total

    def on(self, name):
        """Who began a session at this gateway."""
        raw = [listener for listener in self.listeners if gateway_of(listener.session_id) == name]
        assert raw, f"nobody is at {name}"
        return raw, [bot for bot in self.bots if bot.gateway == name]

    async def resumed(self, raw, bots, before, limit=40):
        await until(
            lambda: all(listener.resumes > before[id(listener)] for listener in raw)
            and all(bot.resumes > before[id(bot)] for bot in bots)
            or any(listener.task.done() for listener in self.listeners),
            limit, "the sessions to resume",
        )

    def resumes(self):
        return {id(one): one.resumes for one in [*self.listeners, *self.bots]}

    async def finish(self):
        """Nothing lost, nothing doubled, nothing out of order, by anybody; nobody had to identify again."""
        await self.load.progress(5)
        await self.load.stop()
        written = sorted(
            (identifier for writers in self.load.writers.values() for writer in writers
             for identifier in writer.acknowledged.values()), key=int)
        assert not any(writer.unknown for writers in self.load.writers.values() for writer in writers)
        for listener in self.listeners:
            await listener.until(len(written))
            assert listener.messages == written, difference(listener.messages, written)
            assert listener.invalidations == 0
        for bot in self.bots:
            await until(lambda: len(bot.heard) >= len(written), 40, "discord.py to hear everything")
            assert bot.heard == written, difference(bot.heard, written)
            assert bot.readies == 1 and bot.failures == []
        print(f"{len(written)} messages; longest outage {max(one.outage for one in self.listeners):.2f} s")
        for listener in self.listeners:
            await listener.end()
        for bot in self.bots:
            await bot.close()
            await asyncio.wait({bot.running}, timeout=10)


def difference(told, written):
    lost = [identifier for identifier in written if identifier not in set(told)]
    doubled = sorted({identifier for identifier in told if told.count(identifier) > 1})
    return f"lost {lost[:5]} ({len(lost)}), doubled {doubled[:5]} ({len(doubled)}), told {len(told)} of {len(written)}"


@pytest.fixture
async def scene(own_cluster, conformance, monkeypatch):
    cluster = own_cluster(guild_nodes=1, gateway_nodes=3)
    rest = Rest(cluster.url, conformance)
    yield await Scene(cluster, People(cluster, rest)).begin(monkeypatch)
    await rest.close()


async def test_a_gateway_that_is_told_to_stop_hands_its_sessions_over(scene):
    name = scene.bots[0].gateway
    raw, bots = scene.on(name)
    before = scene.resumes()
    pid = scene.cluster.kill(name, signal.SIGTERM)
    await scene.resumed(raw, bots, before)
    assert all(listener.reconnects == 1 for listener in raw)
    await scene.cluster.restarted(name, pid)
    await scene.finish()


async def test_the_sessions_of_a_killed_gateway_resume_from_its_buddy(scene):
    name = scene.bots[0].gateway
    raw, bots = scene.on(name)
    before = scene.resumes()
    pid = scene.cluster.kill(name)
    await scene.resumed(raw, bots, before)
    assert all(listener.reconnects == 0 for listener in raw)
    assert await scene.metric("guildhall_gateway_recovered_sessions_total") == len(raw) + len(bots)
    await scene.cluster.restarted(name, pid)
    await scene.finish()


async def test_two_of_three_gateways_are_killed_one_after_the_other(scene):
    first = scene.bots[0].gateway
    for name in [first, *(name for name in scene.cluster.names("gateway") if name != first)][:2]:
        raw, bots = scene.on(name)
        before = scene.resumes()
        pid = scene.cluster.kill(name)
        await scene.resumed(raw, bots, before)
        await scene.cluster.restarted(name, pid)
        await scene.journaled()
        await scene.load.progress(10)
    await scene.finish()
