"""discord.py 2.7.1 as it comes from PyPI; only its two base URLs are set (README.md)."""

import asyncio
import sys

import discord
import pytest_asyncio
import yarl
from discord.ext import commands

from harness.cutting_proxy import CuttingProxy
from harness.recording_proxy import RecordingProxy
from harness.world import Human, bucket, write


@commands.command()
async def ping(context):
    await context.reply("pong")


@commands.command()
async def embed(context):
    shown = discord.Embed(title="A title", description="some words", color=discord.Color.blue())
    shown.add_field(name="guild", value=context.guild.name)
    await context.send(embed=shown)


@commands.command()
async def draft(context):
    message = await context.send("a draft")
    await message.edit(content="the final text")


@commands.command()
async def regret(context):
    message = await context.send("soon gone")
    await message.delete()


@commands.command()
async def count(context):
    forwards = [message.id async for message in context.channel.history(limit=None, oldest_first=True)]
    backwards = [message.id async for message in context.channel.history(limit=None)]
    assert forwards == backwards[::-1]
    context.bot.counted = forwards
    await context.send(f"{len(forwards)} messages")


class Companion(commands.Bot):
    """The bot of a user: a few commands, and a memory of what it was told."""

    def __init__(self):
        super().__init__(command_prefix="!", intents=discord.Intents.all())
        self.heard, self.edited, self.deleted = [], [], []
        self.resumes = 0
        self.failures = []
        for command in (ping, embed, draft, regret, count):
            self.add_command(command)

    async def on_message(self, message):
        if message.author.id != self.user.id:
            self.heard.append(message.id)
        await self.process_commands(message)

    async def on_message_edit(self, before, after):
        self.edited.append((before.content, after.content))

    async def on_message_delete(self, message):
        self.deleted.append(message.content)

    async def on_resumed(self):
        self.resumes += 1

    async def on_command_error(self, context, error):
        self.failures.append(error)

    async def on_error(self, event, *_):
        self.failures.append((event, sys.exc_info()[1]))


@pytest_asyncio.fixture(loop_scope="session")
async def life(world, conformance, monkeypatch):
    bot = await world.new_bot()
    human = Human(world, await world.people.connect(world.owner), bot)
    async with RecordingProxy(world.cluster.url, conformance) as rest, CuttingProxy("127.0.0.1", world.cluster.port) as line:
        monkeypatch.setattr(discord.http.Route, "BASE", f"{rest.url}/api/v10")
        monkeypatch.setattr(
            discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(f"ws://127.0.0.1:{line.port}/gateway")
        )
        companion = Companion()
        running = asyncio.create_task(companion.start(bot.token))
        async with asyncio.timeout(60):
            while not companion.is_ready():
                if running.done():
                    running.result()
                await asyncio.sleep(0.02)
        yield companion, human, rest, line, running
        await rest.idle()
        await companion.close()
        await asyncio.wait({running}, timeout=20)
    await human.session.close()
    assert rest.faults == []
    assert companion.failures == []


async def test_it_lives_in_guilds_on_three_nodes_and_holds_a_conversation(world, life):
    companion, human, rest, line, running = life
    assert {str(guild.id) for guild in companion.guilds} >= {guild["id"] for guild in world.guilds.values()}
    for node, channel in world.channels.items():
        question = await human.say(channel, "!ping")
        answer = await human.hears(channel)
        assert answer["content"] == "pong" and answer["message_reference"]["message_id"] == question, node
        await human.say(channel, "!embed")
        answer = await human.hears(channel)
        assert answer["embeds"][0]["title"] == "A title"
        assert answer["embeds"][0]["fields"][0]["value"] == world.guilds[node]["name"]
        await human.say(channel, "!draft")
        draft = await human.hears(channel)
        edited = await human.hears(channel, "MESSAGE_UPDATE")
        assert edited["id"] == draft["id"] and edited["content"] == "the final text"
        await human.say(channel, "!regret")
        gone = await human.hears(channel)
        assert (await human.hears(channel, "MESSAGE_DELETE"))["id"] == gone["id"]
    assert rest.seen


async def test_it_reads_history_over_many_buckets(world, life):
    companion, human, *_ = life
    asked = await human.say(world.old_channel, "!count")
    answer = await human.session.event(
        "MESSAGE_CREATE", limit=60,
        where=lambda data: data["channel_id"] == world.old_channel["id"] and data["author"]["id"] == human.bot.id,
    )
    assert answer["content"] == f"{len(companion.counted)} messages"
    counted = [str(identifier) for identifier in companion.counted]
    assert counted[: len(world.old_ids)] == world.old_ids and counted[-1] == asked
    assert len({bucket(identifier) for identifier in counted}) >= 5


async def test_it_sees_what_others_write_edit_and_delete(world, life):
    companion, human, *_ = life
    channel = next(iter(world.channels.values()))
    identifier = await human.say(channel, "before")
    path = f"/channels/{channel['id']}/messages/{identifier}"
    await world.owner.rest.patch(path, {"content": "after"})
    await world.owner.rest.delete(path)
    async with asyncio.timeout(20):
        while "after" not in companion.deleted:
            await asyncio.sleep(0.02)
    assert ("before", "after") in companion.edited


async def test_it_resumes_after_a_cut_with_no_event_lost_or_doubled(world, life):
    companion, human, rest, line, running = life
    channels = list(world.channels.values())
    await human.say(channels[0], "!ping")
    await human.hears(channels[0])
    companion.heard.clear()
    written = []
    for round in range(3):
        if round == 0:
            assert line.cut() >= 1
        else:
            # The library has gone on at resume_gateway_url, past the proxy: its own socket is torn.
            companion.ws.socket._response.connection.transport.abort()
        for number in range(9):
            written.append(int(await write(world.owner, channels[number % 3], f"while away {round} {number}")))
        async with asyncio.timeout(60):
            while companion.resumes <= round or len(companion.heard) < len(written):
                await asyncio.sleep(0.02)
    await human.say(channels[0], "!ping")
    await human.hears(channels[0])
    heard = companion.heard[: len(written)]
    # In each channel in order; between channels, which lie on different nodes, there is no order.
    assert sorted(heard) == sorted(written)
    for channel_slot in {identifier >> 12 & 0x3FF for identifier in written}:
        def of_slot(identifiers):
            return [identifier for identifier in identifiers if identifier >> 12 & 0x3FF == channel_slot]
        assert of_slot(heard) == of_slot(written)
    assert len(companion.heard) == len(written) + 1
    assert companion.resumes == 3
    assert not running.done()
