"""hikari 2.7.0 as it comes from PyPI; only its REST address is set (README.md)."""

import asyncio

import hikari
import pytest_asyncio

from harness.cutting_proxy import CuttingProxy
from harness.recording_proxy import RecordingProxy
from harness.world import Human, bucket, write


class Companion:
    def __init__(self, token, url):
        self.bot = hikari.GatewayBot(
            token, rest_url=f"{url}/api/v10", intents=hikari.Intents.ALL, banner=None, logs=None,
            suppress_optimization_warning=True,
        )
        self.heard, self.edited, self.deleted, self.failures = [], [], [], []
        self.available, self.resumes = set(), 0
        self.counted = None
        listen = self.bot.event_manager.subscribe
        listen(hikari.GuildMessageCreateEvent, self.on_message)
        listen(hikari.GuildMessageUpdateEvent, self.on_edit)
        listen(hikari.GuildMessageDeleteEvent, self.on_delete)
        listen(hikari.GuildAvailableEvent, self.on_guild)
        listen(hikari.ShardResumedEvent, self.on_resumed)
        listen(hikari.ExceptionEvent, self.on_failure)

    async def on_message(self, event: hikari.GuildMessageCreateEvent):
        if event.author_id == self.bot.get_me().id:
            return
        self.heard.append(int(event.message_id))
        respond = event.message.respond
        match event.content:
            case "!ping":
                await respond("pong", reply=True)
            case "!embed":
                embed = hikari.Embed(title="A title", description="some words", color=0x3366CC)
                await respond(embed.add_field("guild", self.bot.cache.get_guild(event.guild_id).name))
            case "!draft":
                message = await respond("a draft")
                await message.edit("the final text")
            case "!regret":
                message = await respond("soon gone")
                await message.delete()
            case "!count":
                rest = self.bot.rest
                backwards = [int(message.id) async for message in rest.fetch_messages(event.channel_id)]
                forwards = [int(m.id) async for m in rest.fetch_messages(event.channel_id, after=hikari.Snowflake(1))]
                assert forwards == backwards[::-1]
                self.counted = forwards
                await respond(f"{len(forwards)} messages")

    async def on_edit(self, event: hikari.GuildMessageUpdateEvent):
        self.edited.append((int(event.message_id), event.content))

    async def on_delete(self, event: hikari.GuildMessageDeleteEvent):
        self.deleted.append(int(event.message_id))

    async def on_guild(self, event: hikari.GuildAvailableEvent):
        self.available.add(str(event.guild_id))

    async def on_resumed(self, event: hikari.ShardResumedEvent):
        self.resumes += 1

    async def on_failure(self, event: hikari.ExceptionEvent):
        self.failures.append(event.exception)


async def until(condition, limit=60):
    async with asyncio.timeout(limit):
        while not condition():
            await asyncio.sleep(0.02)


@pytest_asyncio.fixture(loop_scope="session")
async def life(world, conformance):
    bot = await world.new_bot()
    human = Human(world, await world.people.connect(world.owner), bot)
    async with CuttingProxy("127.0.0.1", world.cluster.port) as line:
        gateway_url = f"ws://127.0.0.1:{line.port}/gateway"
        async with RecordingProxy(world.cluster.url, conformance, gateway_url) as rest:
            companion = Companion(bot.token, rest.url)
            async with asyncio.timeout(60):
                await companion.bot.start(check_for_updates=False)
            await until(lambda: companion.available >= {guild["id"] for guild in world.guilds.values()})
            yield companion, human, rest, line
            await rest.idle()
            await companion.bot.close()
    await human.session.close()
    assert rest.faults == []
    assert companion.failures == []


async def test_it_lives_in_guilds_on_three_nodes_and_holds_a_conversation(world, life):
    companion, human, rest, line = life
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
    await until(lambda: companion.counted is not None)
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
    await until(lambda: int(identifier) in companion.deleted)
    assert (int(identifier), "after") in companion.edited


async def test_it_resumes_after_a_cut_with_no_event_lost_or_doubled(world, life):
    companion, human, rest, line = life
    channels = list(world.channels.values())
    companion.heard.clear()
    assert line.cut() >= 1
    written = [int(await write(world.owner, channels[number % 3], f"while away {number}")) for number in range(12)]
    await until(lambda: companion.resumes == 1 and len(companion.heard) >= len(written))
    for slot in {identifier >> 12 & 0x3FF for identifier in written}:
        def of_slot(identifiers):
            return [identifier for identifier in identifiers if identifier >> 12 & 0x3FF == slot]
        assert of_slot(companion.heard) == of_slot(written)
    await human.say(channels[0], "!ping")
    await human.hears(channels[0])
    assert len(companion.heard) == len(written) + 1
