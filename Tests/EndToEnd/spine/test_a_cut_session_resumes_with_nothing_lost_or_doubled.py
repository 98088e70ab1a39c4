import asyncio

import pytest

from harness.cutting_proxy import CuttingProxy
from harness.gateway import DISPATCH, Closed, Gateway


@pytest.fixture
async def room(people):
    owner = await people.user("owner")
    guild = await people.guild(owner)
    return owner, guild, await people.channel(owner, guild)


def gateways(cluster):
    """Each gateway's own address, by name."""
    return {
        node["id"]: node["client_url"].rstrip("/")
        for node in cluster.guildctl.json("node", "list") if "gateway" in node["roles"]
    }


async def write(owner, channel, first, count):
    path = f"/channels/{channel['id']}/messages"
    return [(await owner.rest.post(path, {"content": f"message {first + number}"})).json["id"] for number in range(count)]


async def resumed(gateway, url, account, *, compressed=False):
    """A new connection that has resumed; what was replayed is in its payloads."""
    again = await Gateway.connect(url, compressed=compressed)
    await again.resume(account.token, gateway.session_id, gateway.sequence)
    await again.event("RESUMED")
    return again


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "zlib-stream"])
async def test_what_was_written_while_the_line_was_cut_is_replayed_in_order(cluster, people, room, compressed):
    owner, guild, channel = room
    async with CuttingProxy("127.0.0.1", cluster.port) as proxy:
        url = f"ws://127.0.0.1:{proxy.port}/gateway"
        session = await people.connect(owner, url=url, compressed=compressed)
        ids = await write(owner, channel, 0, 5)
        for identifier in ids:
            assert (await session.event("MESSAGE_CREATE"))["id"] == identifier
        for round in range(3):
            assert proxy.cut() == 1
            missed = await write(owner, channel, 5 + round * 10, 10)
            session = await resumed(session, url, owner, compressed=compressed)
            replayed = [message["id"] for message in session.dispatches("MESSAGE_CREATE")]
            assert replayed == missed
            live = await write(owner, channel, 100, 1)
            assert (await session.event("MESSAGE_CREATE"))["id"] == live[0]
        await session.close()


async def test_a_client_that_ignores_resume_gateway_url_resumes_at_the_other_gateway(cluster, people, room):
    owner, guild, channel = room
    addresses = gateways(cluster)
    assert len(addresses) == 2
    (first, first_url), (second, second_url) = sorted(addresses.items())
    session = await people.connect(owner, url=first_url)
    seen = await write(owner, channel, 0, 3)
    for identifier in seen:
        assert (await session.event("MESSAGE_CREATE"))["id"] == identifier
    for url in (second_url, first_url, second_url):
        session.cut()
        missed = await write(owner, channel, 10, 7)
        session = await resumed(session, url, owner)
        assert [m["id"] for m in session.dispatches("MESSAGE_CREATE")] == missed
        live = (await write(owner, channel, 50, 1))[0]
        assert (await session.event("MESSAGE_CREATE"))["id"] == live
    await session.close()


async def test_events_not_yet_read_are_sent_again_from_the_sequence_given(cluster, people, room):
    owner, guild, channel = room
    session = await people.connect(owner)
    sequence = session.sequence
    ids = await write(owner, channel, 0, 6)
    for identifier in ids:
        await session.event("MESSAGE_CREATE")
    session.cut()
    session.sequence = sequence + 2
    again = await resumed(session, cluster.websocket_url, owner)
    numbers = [payload["s"] for payload in again.payloads if payload["op"] == DISPATCH and payload["t"] != "RESUMED"]
    assert numbers == list(range(sequence + 3, sequence + 7))
    assert [m["id"] for m in again.dispatches("MESSAGE_CREATE")] == ids[2:]
    await again.close()


async def test_cuts_at_any_moment_under_a_stream_of_writes_lose_nothing(cluster, people, room):
    owner, guild, channel = room
    async with CuttingProxy("127.0.0.1", cluster.port) as proxy:
        url = f"ws://127.0.0.1:{proxy.port}/gateway"
        session = await people.connect(owner, url=url)
        written = []
        count = 200

        async def writer():
            for number in range(count):
                written.extend(await write(owner, channel, number, 1))
                await asyncio.sleep(0.01)

        writing = asyncio.create_task(writer())
        received = []
        cuts = 0
        # The last event may come before the answer to the write that made it.
        while len(received) < count:
            try:
                payload = await session.receive(limit=10)
            except TimeoutError:
                break  # Whatever is missing is named below.
            except Closed:
                session = await resumed(session, url, owner)
                received.extend(message["id"] for message in session.dispatches("MESSAGE_CREATE"))
                continue
            if payload["op"] == DISPATCH and payload["t"] == "MESSAGE_CREATE":
                received.append(payload["d"]["id"])
                if len(received) % 20 == 0 and cuts < 8:
                    cuts += 1
                    proxy.cut()
        await writing
        assert received == written, f"after {cuts} cuts; the last came at {received[-1]}, sequence {session.sequence}"
        assert cuts == 8
        await session.close()


async def test_two_sessions_of_one_account_on_two_gateways_get_the_same(cluster, people, room):
    owner, guild, channel = room
    sessions = [await people.connect(owner, url=url) for url in gateways(cluster).values()]
    ids = await write(owner, channel, 0, 10)
    for session in sessions:
        assert [(await session.event("MESSAGE_CREATE"))["id"] for _ in ids] == ids
        await session.close()


async def test_intents_decide_what_arrives(cluster, people):
    owner = await people.user("owner")
    guild = await people.guild(owner)
    channel = await people.channel(owner, guild)
    bot = people.bot(owner)
    await people.add_bot(owner, bot, guild, permissions="1024")
    without_content = await people.connect(bot, intents=1 | 1 << 9)
    without_messages = await people.connect(bot, intents=1 | 1 << 11)
    plain = (await owner.rest.post(f"/channels/{channel['id']}/messages", {"content": "words"})).json
    named = (await owner.rest.post(f"/channels/{channel['id']}/messages", {"content": f"<@{bot.id}> words"})).json
    await owner.rest.post(f"/channels/{channel['id']}/typing", expect=204)
    first = await without_content.event("MESSAGE_CREATE")
    second = await without_content.event("MESSAGE_CREATE")
    assert (first["id"], first["content"]) == (plain["id"], "")
    assert (second["id"], second["content"]) == (named["id"], named["content"])
    assert (await without_messages.event("TYPING_START"))["user_id"] == owner.id
    assert without_messages.dispatches("MESSAGE_CREATE") == []
    for session in (without_content, without_messages):
        await session.close()
