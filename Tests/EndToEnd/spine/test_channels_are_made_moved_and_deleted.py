async def test_channels_and_categories_are_made_with_their_fields(people):
    owner = await people.user()
    guild = await people.guild(owner)
    category = await people.channel(owner, guild, "Rooms", type=4)
    channel = await people.channel(
        owner, guild, "General Talk", parent_id=category["id"], topic="what we talk about", rate_limit_per_user=5,
        nsfw=True,
    )
    assert category["type"] == 4 and channel["parent_id"] == category["id"]
    # Discord writes a text channel's name in lower case with dashes.
    assert channel["name"] == "general-talk"
    assert channel["topic"] == "what we talk about" and channel["rate_limit_per_user"] == 5 and channel["nsfw"]
    assert (await owner.rest.get(f"/channels/{channel['id']}")).json["topic"] == "what we talk about"


async def test_a_channel_is_changed_and_its_watchers_are_told(people):
    owner = await people.user()
    guild = await people.guild(owner)
    channel = await people.channel(owner, guild)
    session = await people.connect(owner)
    changed = (await owner.rest.patch(f"/channels/{channel['id']}", {"name": "renamed", "topic": None})).json
    assert changed["name"] == "renamed" and changed["topic"] is None
    event = await session.event("CHANNEL_UPDATE")
    assert event["id"] == channel["id"] and event["name"] == "renamed" and event["guild_id"] == guild["id"]
    await session.close()


async def test_channels_are_reordered(people):
    owner = await people.user()
    guild = await people.guild(owner)
    channels = [await people.channel(owner, guild, f"c{number}") for number in range(3)]
    places = [{"id": channel["id"], "position": 10 - number} for number, channel in enumerate(channels)]
    await owner.rest.patch(f"/guilds/{guild['id']}/channels", places, expect=204)
    listed = {c["id"]: c["position"] for c in (await owner.rest.get(f"/guilds/{guild['id']}/channels")).json}
    positions = [listed[channel["id"]] for channel in channels]
    assert positions == sorted(positions, reverse=True) and len(set(positions)) == 3


async def test_a_deleted_channel_is_gone_with_its_messages(people):
    owner = await people.user()
    guild = await people.guild(owner)
    channel = await people.channel(owner, guild)
    message = (await owner.rest.post(f"/channels/{channel['id']}/messages", {"content": "x"})).json
    session = await people.connect(owner)
    gone = (await owner.rest.delete(f"/channels/{channel['id']}", expect=200)).json
    assert gone["id"] == channel["id"]
    assert (await session.event("CHANNEL_DELETE"))["id"] == channel["id"]
    await session.close()
    for answer in (
        await owner.rest.get(f"/channels/{channel['id']}", expect=404),
        await owner.rest.get(f"/channels/{channel['id']}/messages/{message['id']}", expect=404),
        await owner.rest.post(f"/channels/{channel['id']}/messages", {"content": "y"}, expect=404),
    ):
        assert answer.code == 10003


async def test_a_category_leaves_its_channels_behind(people):
    owner = await people.user()
    guild = await people.guild(owner)
    category = await people.channel(owner, guild, "Rooms", type=4)
    channel = await people.channel(owner, guild, parent_id=category["id"])
    await owner.rest.delete(f"/channels/{category['id']}", expect=200)
    assert (await owner.rest.get(f"/channels/{channel['id']}")).json["parent_id"] is None


async def test_a_member_without_the_right_changes_no_channel(people):
    owner, member = await people.user("owner"), await people.user("member")
    guild = await people.guild(owner)
    channel = await people.channel(owner, guild)
    await people.join(member, guild, owner)
    for answer in (
        await member.rest.post(f"/guilds/{guild['id']}/channels", {"name": "mine"}, expect=403),
        await member.rest.patch(f"/channels/{channel['id']}", {"name": "mine"}, expect=403),
        await member.rest.delete(f"/channels/{channel['id']}", expect=403),
        await member.rest.patch(f"/guilds/{guild['id']}/channels", [{"id": channel["id"], "position": 1}], expect=403),
    ):
        assert answer.code == 50013
