import asyncio

import pytest


@pytest.fixture
async def room(people):
    owner, member = await people.user("owner"), await people.user("member")
    guild = await people.guild(owner)
    channel = await people.channel(owner, guild)
    await people.join(member, guild, owner)
    return owner, member, guild, channel


async def test_a_message_reaches_every_members_session(people, room):
    owner, member, guild, channel = room
    sessions = [await people.connect(account) for account in (owner, member)]
    sent = (await owner.rest.post(f"/channels/{channel['id']}/messages", {"content": "hello"})).json
    for session in sessions:
        event = await session.event("MESSAGE_CREATE")
        assert event["id"] == sent["id"] and event["content"] == "hello" and event["guild_id"] == guild["id"]
        assert event["author"]["id"] == owner.id and event["member"]["joined_at"]
        await session.close()


async def test_a_message_is_read_edited_and_deleted(people, room):
    owner, member, guild, channel = room
    session = await people.connect(member)
    path = f"/channels/{channel['id']}/messages"
    sent = (await owner.rest.post(path, {"content": "first words"})).json
    edited = (await owner.rest.patch(f"{path}/{sent['id']}", {"content": "better words"})).json
    assert edited["content"] == "better words" and edited["edited_timestamp"] is not None
    assert edited["timestamp"] == sent["timestamp"]
    event = await session.event("MESSAGE_UPDATE")
    assert event["id"] == sent["id"] and event["content"] == "better words"
    assert (await member.rest.get(f"{path}/{sent['id']}")).json["content"] == "better words"
    refused = await member.rest.patch(f"{path}/{sent['id']}", {"content": "his words"}, expect=403)
    assert refused.code == 50005
    refused = await member.rest.delete(f"{path}/{sent['id']}", expect=403)
    assert refused.code == 50013
    await owner.rest.delete(f"{path}/{sent['id']}")
    event = await session.event("MESSAGE_DELETE")
    assert event["id"] == sent["id"] and event["channel_id"] == channel["id"] and event["guild_id"] == guild["id"]
    await session.close()
    for method in (owner.rest.get, owner.rest.delete):
        assert (await method(f"{path}/{sent['id']}", expect=404)).code == 10008
    assert (await owner.rest.patch(f"{path}/{sent['id']}", {"content": "again"}, expect=404)).code == 10008
    assert sent["id"] not in [message["id"] for message in (await member.rest.get(path)).json]


async def test_messages_are_deleted_in_bulk(people, room):
    owner, member, guild, channel = room
    path = f"/channels/{channel['id']}/messages"
    ids = [(await owner.rest.post(path, {"content": str(number)})).json["id"] for number in range(6)]
    session = await people.connect(member)
    assert (await member.rest.post(f"{path}/bulk-delete", {"messages": ids[:2]}, expect=403)).code == 50013
    await owner.rest.post(f"{path}/bulk-delete", {"messages": ids[1:4]}, expect=204)
    event = await session.event("MESSAGE_DELETE_BULK")
    assert sorted(event["ids"]) == sorted(ids[1:4]) and event["channel_id"] == channel["id"]
    await session.close()
    left = [message["id"] for message in (await owner.rest.get(path)).json]
    assert left == [ids[5], ids[4], ids[0]]
    assert (await owner.rest.post(f"{path}/bulk-delete", {"messages": ids[:1]}, expect=400)).code in (50016, 50035)
    many = [str(int(ids[0]) + number) for number in range(101)]
    assert (await owner.rest.post(f"{path}/bulk-delete", {"messages": many}, expect=400)).code in (50016, 50035)


async def test_a_reply_names_what_it_answers(people, room):
    owner, member, guild, channel = room
    path = f"/channels/{channel['id']}/messages"
    first = (await owner.rest.post(path, {"content": "a question"})).json
    reply = (await member.rest.post(path, {
        "content": "an answer", "message_reference": {"message_id": first["id"]},
    })).json
    assert reply["type"] == 19
    assert reply["message_reference"]["message_id"] == first["id"]
    assert reply["message_reference"]["channel_id"] == channel["id"]
    assert reply["referenced_message"]["content"] == "a question"
    assert owner.id in [user["id"] for user in reply["mentions"]]
    await owner.rest.delete(f"{path}/{first['id']}")
    assert (await owner.rest.get(f"{path}/{reply['id']}")).json["referenced_message"] is None
    body = {"content": "to nothing", "message_reference": {"message_id": first["id"]}}
    assert (await member.rest.post(path, body, expect=400)).code == 50035
    body["message_reference"]["fail_if_not_exists"] = False
    assert (await member.rest.post(path, body)).json["type"] == 0


async def test_mentions_are_found_and_allowed_mentions_narrow_them(people, room):
    owner, member, guild, channel = room
    path = f"/channels/{channel['id']}/messages"
    role = (await owner.rest.post(f"/guilds/{guild['id']}/roles", {"name": "crew", "mentionable": True})).json
    content = f"<@{member.id}> <@&{role['id']}> @everyone"
    sent = (await owner.rest.post(path, {"content": content})).json
    assert [user["id"] for user in sent["mentions"]] == [member.id]
    assert sent["mention_roles"] == [role["id"]] and sent["mention_everyone"] is True
    sent = (await owner.rest.post(path, {"content": content, "allowed_mentions": {"parse": []}})).json
    assert sent["mentions"] == [] and sent["mention_roles"] == [] and sent["mention_everyone"] is False
    narrowed = {"content": content, "allowed_mentions": {"parse": ["roles"], "users": []}}
    sent = (await owner.rest.post(path, narrowed)).json
    assert sent["mentions"] == [] and sent["mention_roles"] == [role["id"]]
    both = {"content": content, "allowed_mentions": {"parse": ["users"], "users": [member.id]}}
    assert (await owner.rest.post(path, both, expect=400)).code == 50035


async def test_embeds_are_kept_and_their_limits_hold(people, room):
    owner, member, guild, channel = room
    path = f"/channels/{channel['id']}/messages"
    embed = {
        "title": "A title", "description": "Words", "color": 0x3366CC, "url": "https://example.org/",
        "fields": [{"name": "one", "value": "1", "inline": True}, {"name": "two", "value": "2"}],
        "footer": {"text": "foot"}, "author": {"name": "someone"}, "timestamp": "2026-01-02T03:04:05.000Z",
    }
    sent = (await owner.rest.post(path, {"embeds": [embed]})).json
    kept = sent["embeds"][0]
    assert kept["type"] == "rich" and kept["title"] == "A title" and kept["color"] == 0x3366CC
    assert [field["name"] for field in kept["fields"]] == ["one", "two"]
    assert kept["footer"]["text"] == "foot" and kept["author"]["name"] == "someone"
    again = (await member.rest.get(f"{path}/{sent['id']}")).json
    assert again["embeds"] == sent["embeds"]
    for wrong in (
        [{"title": "t" * 257}], [{"description": "d" * 4097}], [{"title": "x"}] * 11,
        [{"fields": [{"name": "n", "value": "v"}] * 26}], [{"fields": [{"name": "n"}]}],
        [{"description": "d" * 3001}, {"description": "d" * 3001}],
    ):
        answer = await owner.rest.post(path, {"embeds": wrong}, expect=400)
        assert answer.code == 50035


async def test_a_nonce_that_is_enforced_makes_one_message(people, room):
    owner, member, guild, channel = room
    path = f"/channels/{channel['id']}/messages"
    body = {"content": "once", "nonce": "1234567890123456789", "enforce_nonce": True}
    first = (await owner.rest.post(path, body)).json
    assert first["nonce"] == body["nonce"]
    answers = await asyncio.gather(*(owner.rest.post(path, {**body, "content": "twice?"}) for _ in range(4)))
    assert {answer.json["id"] for answer in answers} == {first["id"]}
    # Another author's nonce is another; and without enforcement a nonce is only handed back.
    assert (await member.rest.post(path, body)).json["id"] != first["id"]
    loose = {"content": "again", "nonce": "1234567890123456789"}
    assert (await owner.rest.post(path, loose)).json["id"] != first["id"]


async def test_typing_is_seen_by_others(people, room):
    owner, member, guild, channel = room
    session = await people.connect(member)
    await owner.rest.post(f"/channels/{channel['id']}/typing", expect=204)
    event = await session.event("TYPING_START")
    assert event["user_id"] == owner.id and event["channel_id"] == channel["id"] and event["guild_id"] == guild["id"]
    await session.close()
