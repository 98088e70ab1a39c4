import json

import pytest

from harness.gateway import ACK, HEARTBEAT, INVALID_SESSION, RESUME, Closed, Gateway


@pytest.fixture
async def bot(people):
    owner = await people.user("owner")
    return people.bot(owner)


async def connect(cluster, **options):
    return await Gateway.connect(cluster.websocket_url, **options)


async def test_hello_comes_first_and_heartbeats_are_acknowledged_before_identify(cluster):
    gateway = await connect(cluster)
    for _ in range(2):
        await gateway.send(HEARTBEAT, None)
        assert (await gateway.receive())["op"] == ACK
    await gateway.close()


@pytest.mark.parametrize("text, code", [
    ("not json", 4002),
    ("[]", 4002),
    ('{"op": "one"}', 4002),
    ('{"d": {}}', 4002),
    (json.dumps({"op": HEARTBEAT, "d": None, "pad": "x" * 4100}), 4002),
    ('{"op": 99, "d": {}}', 4001),
    ('{"op": 3, "d": {"since": null, "activities": [], "status": "online", "afk": false}}', 4003),
    ('{"op": 4, "d": {"guild_id": "1", "channel_id": null, "self_mute": false, "self_deaf": false}}', 4003),
    ('{"op": 2, "d": {"token": "wrong.wrong.wrong", "intents": 0, "properties": {}}}', 4004),
    ('{"op": 6, "d": {"token": "wrong.wrong.wrong", "session_id": "x", "seq": 1}}', 4004),
])
async def test_bad_payloads_close_before_identify(cluster, text, code):
    gateway = await connect(cluster)
    await gateway.send_text(text)
    assert await gateway.close_code() == code


async def test_a_frame_over_4096_bytes_closes_a_ready_session_with_4002(cluster, people, bot):
    gateway = await people.connect(bot)
    await gateway.send_text(json.dumps({"op": 3, "d": {"pad": "x" * 4096}}))
    assert await gateway.close_code() == 4002


async def test_a_frame_of_megabytes_is_ended_without_being_read(cluster):
    gateway = await connect(cluster)
    await gateway.send_text("x" * (8 << 20))
    assert await gateway.close_code() in (4002, 1009, 1006)


async def test_a_second_identify_closes_with_4005(people, bot):
    gateway = await people.connect(bot)
    await gateway.identify(bot.token)
    assert await gateway.close_code() == 4005


async def test_a_sequence_never_sent_closes_with_4007_or_is_invalid(cluster, people, bot):
    first = await people.connect(bot)
    await first.close(4000)
    gateway = await connect(cluster)
    await gateway.send(RESUME, {"token": bot.token, "session_id": first.session_id, "seq": 100_000})
    try:
        payload = await gateway.receive()
        assert payload["op"] == INVALID_SESSION
    except Closed as closed:
        assert closed.code == 4007


async def test_an_unknown_session_is_invalid(cluster, bot):
    gateway = await connect(cluster)
    await gateway.send(RESUME, {"token": bot.token, "session_id": "0" * 32, "seq": 1})
    payload = await gateway.receive()
    assert payload["op"] == INVALID_SESSION and payload["d"] is False
    await gateway.close()


async def test_another_users_session_is_not_resumed(cluster, people, bot):
    owner = await people.user()
    other = people.bot(owner)
    first = await people.connect(bot)
    first.cut()
    gateway = await connect(cluster)
    await gateway.send(RESUME, {"token": other.token, "session_id": first.session_id, "seq": first.sequence})
    try:
        assert (await gateway.receive())["op"] == INVALID_SESSION
    except Closed as closed:
        assert closed.code == 4004
    await gateway.close()


async def test_too_many_payloads_close_with_4008(people, bot):
    gateway = await people.connect(bot)
    for _ in range(130):
        await gateway.send(HEARTBEAT, gateway.sequence)
    assert await gateway.close_code() == 4008


@pytest.mark.parametrize("shard", [[1, 1], [5, 2], [-1, 1], [0, 0], [0], "0,1"])
async def test_an_impossible_shard_closes_with_4010(cluster, bot, shard):
    gateway = await connect(cluster)
    await gateway.identify(bot.token, shard=shard)
    assert await gateway.close_code() in ((4010,) if isinstance(shard, list) and len(shard) == 2 else (4010, 4002))


async def test_an_unknown_version_closes_with_4012(cluster, bot):
    try:
        gateway = await connect(cluster, query="?v=3&encoding=json")
        await gateway.identify(bot.token)
        assert await gateway.close_code() == 4012
    except Closed as closed:
        assert closed.code == 4012


async def test_intents_that_are_no_number_close_and_undefined_bits_do_not(cluster, people, bot):
    gateway = await connect(cluster)
    await gateway.identify(bot.token, intents=-1)
    assert await gateway.close_code() in (4013, 4002)
    # One library's ALL has bit 17 set, which nothing defines.
    gateway = await people.connect(bot, intents=53739519)
    await gateway.close()


async def test_a_client_that_closes_ends_its_session_and_a_cut_one_does_not(cluster, people, bot):
    for close, resumable in ((1000, False), (1001, False), (4000, True)):
        first = await people.connect(bot)
        await first.close(close)
        gateway = await connect(cluster)
        await gateway.resume(bot.token, first.session_id, first.sequence)
        payload = await gateway.receive()
        assert (payload["op"] == 0 and payload["t"] == "RESUMED") == resumable, close
        await gateway.close()


async def test_a_silent_client_is_closed_with_4009(people, bot):
    gateway = await people.connect(bot)
    assert await gateway.close_code(limit=100) == 4009


async def test_a_revoked_token_ends_the_session(people):
    user = await people.user()
    session = await people.connect(user)
    await user.rest.post("/auth/logout", {}, expect=204)
    assert await session.close_code(limit=30) == 4004
