import pytest

VIEW_CHANNEL, SEND_MESSAGES, MANAGE_MESSAGES, MANAGE_CHANNELS = 1 << 10, 1 << 11, 1 << 13, 1 << 4
MANAGE_ROLES, ADMINISTRATOR, READ_MESSAGE_HISTORY = 1 << 28, 1 << 3, 1 << 16


@pytest.fixture
async def room(people):
    owner, member = await people.user("owner"), await people.user("member")
    guild = await people.guild(owner)
    channel = await people.channel(owner, guild)
    await people.join(member, guild, owner, channel)
    return owner, member, guild, channel


async def overwrite(owner, channel, target, kind, allow=0, deny=0):
    body = {"type": kind, "allow": str(allow), "deny": str(deny)}
    await owner.rest.put(f"/channels/{channel['id']}/permissions/{target}", body)


async def may_send(account, channel):
    answer = await account.rest.post(f"/channels/{channel['id']}/messages", {"content": "?"}, expect=(200, 403, 404))
    return answer.status == 200


async def test_roles_are_made_changed_reordered_and_deleted(people, room):
    owner, member, guild, channel = room
    path = f"/guilds/{guild['id']}/roles"
    low = (await owner.rest.post(path, {"name": "low", "permissions": "1024", "color": 255})).json
    high = (await owner.rest.post(path, {"name": "high", "hoist": True})).json
    assert low["permissions"] == "1024" and low["color"] == 255 and low["colors"]["primary_color"] == 255
    changed = (await owner.rest.patch(f"{path}/{low['id']}", {"name": "lower", "mentionable": True})).json
    assert changed["name"] == "lower" and changed["mentionable"]
    moved = (await owner.rest.patch(path, [{"id": low["id"], "position": 2}, {"id": high["id"], "position": 1}])).json
    positions = {role["id"]: role["position"] for role in moved}
    assert positions[low["id"]] > positions[high["id"]] > positions[guild["id"]] == 0
    assert (await owner.rest.get(f"{path}/{high['id']}")).json["hoist"]
    await owner.rest.delete(f"{path}/{high['id']}")
    assert high["id"] not in [role["id"] for role in (await owner.rest.get(path)).json]
    assert (await owner.rest.delete(f"{path}/{high['id']}", expect=404)).code == 10011
    await owner.rest.delete(f"{path}/{guild['id']}", expect=400)
    assert (await member.rest.post(path, {"name": "mine"}, expect=403)).code == 50013


async def test_a_role_gives_and_its_loss_takes(people, room):
    owner, member, guild, channel = room
    path = f"/channels/{channel['id']}/messages"
    target = (await owner.rest.post(path, {"content": "of the owner"})).json
    role = (await owner.rest.post(f"/guilds/{guild['id']}/roles", {"name": "mods", "permissions": str(MANAGE_MESSAGES)})).json
    assert (await member.rest.delete(f"{path}/{target['id']}", expect=403)).code == 50013
    session = await people.connect(owner)
    await owner.rest.put(f"/guilds/{guild['id']}/members/{member.id}/roles/{role['id']}")
    event = await session.event("GUILD_MEMBER_UPDATE")
    assert event["user"]["id"] == member.id and event["roles"] == [role["id"]]
    await session.close()
    await member.rest.delete(f"{path}/{target['id']}")
    second = (await owner.rest.post(path, {"content": "another"})).json
    await owner.rest.delete(f"/guilds/{guild['id']}/members/{member.id}/roles/{role['id']}")
    assert (await member.rest.delete(f"{path}/{second['id']}", expect=403)).code == 50013


async def test_overwrites_apply_in_discords_order(people, room):
    owner, member, guild, channel = room
    roles = f"/guilds/{guild['id']}/roles"
    first = (await owner.rest.post(roles, {"name": "first", "permissions": "0"})).json
    second = (await owner.rest.post(roles, {"name": "second", "permissions": "0"})).json
    assert await may_send(member, channel)
    await overwrite(owner, channel, guild["id"], 0, deny=SEND_MESSAGES)
    assert not await may_send(member, channel)
    # A role's allow goes over everyone's deny, and over another role's deny; the member's own goes over all.
    for role in (first, second):
        await owner.rest.put(f"/guilds/{guild['id']}/members/{member.id}/roles/{role['id']}")
    await overwrite(owner, channel, first["id"], 0, deny=SEND_MESSAGES)
    assert not await may_send(member, channel)
    await overwrite(owner, channel, second["id"], 0, allow=SEND_MESSAGES)
    assert await may_send(member, channel)
    await overwrite(owner, channel, member.id, 1, deny=SEND_MESSAGES)
    assert not await may_send(member, channel)
    assert await may_send(owner, channel)
    await owner.rest.delete(f"/channels/{channel['id']}/permissions/{member.id}")
    assert await may_send(member, channel)


async def test_an_administrator_passes_over_overwrites(people, room):
    owner, member, guild, channel = room
    await overwrite(owner, channel, guild["id"], 0, deny=VIEW_CHANNEL | SEND_MESSAGES)
    assert not await may_send(member, channel)
    role = (await owner.rest.post(f"/guilds/{guild['id']}/roles", {"name": "a", "permissions": str(ADMINISTRATOR)})).json
    await owner.rest.put(f"/guilds/{guild['id']}/members/{member.id}/roles/{role['id']}")
    assert await may_send(member, channel)


async def test_who_cannot_see_a_channel_gets_none_of_it(people, room):
    owner, member, guild, channel = room
    secret = await people.channel(
        owner, guild, "secret",
        permission_overwrites=[{"id": guild["id"], "type": 0, "allow": "0", "deny": str(VIEW_CHANNEL)}],
    )
    session = await people.connect(member)
    seen = {c["id"] for c in session.guilds[guild["id"]]["channels"]}
    assert channel["id"] in seen and secret["id"] not in seen
    hidden = (await owner.rest.post(f"/channels/{secret['id']}/messages", {"content": "hidden"})).json
    shown = (await owner.rest.post(f"/channels/{channel['id']}/messages", {"content": "shown"})).json
    assert (await session.event("MESSAGE_CREATE"))["id"] == shown["id"]
    for answer in (
        await member.rest.get(f"/channels/{secret['id']}/messages", expect=403),
        await member.rest.get(f"/channels/{secret['id']}/messages/{hidden['id']}", expect=403),
        await member.rest.post(f"/channels/{secret['id']}/messages", {"content": "in"}, expect=403),
    ):
        assert answer.code == 50001
    # The right given, the next message arrives.
    await overwrite(owner, secret, member.id, 1, allow=VIEW_CHANNEL)
    opened = (await owner.rest.post(f"/channels/{secret['id']}/messages", {"content": "now you see"})).json
    assert (await session.event("MESSAGE_CREATE"))["id"] == opened["id"]
    await session.close()


async def test_without_history_no_page_is_shown(people, room):
    owner, member, guild, channel = room
    await owner.rest.post(f"/channels/{channel['id']}/messages", {"content": "before"})
    await overwrite(owner, channel, member.id, 1, deny=READ_MESSAGE_HISTORY)
    assert (await member.rest.get(f"/channels/{channel['id']}/messages")).json == []


async def test_nobody_gives_what_they_do_not_have(people, room):
    owner, member, guild, channel = room
    roles = f"/guilds/{guild['id']}/roles"
    role = (await owner.rest.post(roles, {"name": "r", "permissions": str(MANAGE_ROLES)})).json
    above = (await owner.rest.post(roles, {"name": "above"})).json
    await owner.rest.patch(roles, [{"id": role["id"], "position": 1}, {"id": above["id"], "position": 2}])
    await owner.rest.put(f"/guilds/{guild['id']}/members/{member.id}/roles/{role['id']}")
    for answer in (
        await member.rest.post(roles, {"name": "x", "permissions": str(ADMINISTRATOR)}, expect=403),
        await member.rest.patch(f"{roles}/{above['id']}", {"name": "x"}, expect=403),
        await member.rest.put(f"/guilds/{guild['id']}/members/{member.id}/roles/{above['id']}", expect=403),
    ):
        assert answer.code == 50013
