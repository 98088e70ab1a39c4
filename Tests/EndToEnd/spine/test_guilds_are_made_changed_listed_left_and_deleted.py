async def test_a_new_guild_has_an_owner_a_role_for_everyone_and_a_channel(people):
    owner = await people.user("owner")
    guild = (await owner.rest.post("/guilds", {"name": "A place"}, expect=201)).json
    assert guild["name"] == "A place" and guild["owner_id"] == owner.id
    everyone = [role for role in guild["roles"] if role["id"] == guild["id"]]
    assert len(everyone) == 1 and everyone[0]["name"] == "@everyone"
    channels = (await owner.rest.get(f"/guilds/{guild['id']}/channels")).json
    assert {channel["type"] for channel in channels} >= {0}
    again = (await owner.rest.get(f"/guilds/{guild['id']}?with_counts=true")).json
    assert again["id"] == guild["id"] and again["approximate_member_count"] == 1


async def test_ids_carry_the_guilds_slot_and_the_cluster_finds_them(people, cluster):
    owner = await people.user()
    guild = await people.guild(owner)
    channel = await people.channel(owner, guild)
    message = (await owner.rest.post(f"/channels/{channel['id']}/messages", {"content": "here"})).json
    slots = {(int(thing["id"]) >> 12) & 0x3FF for thing in (guild, channel, message)}
    assert len(slots) == 1
    entity = cluster.guildctl.json("guild", "where", guild["id"])
    assert entity["slot"] == slots.pop() and entity["primary"].startswith("guild-")


async def test_guilds_spread_over_all_guild_nodes(people, cluster):
    owner = await people.user()
    places = {cluster.where((await people.guild(owner))["id"]) for _ in range(24)}
    assert places == set(cluster.names("guild"))


async def test_a_guild_is_changed_by_those_who_may(people):
    owner, member = await people.user("owner"), await people.user("member")
    guild = await people.guild(owner)
    await people.join(member, guild, owner)
    changed = (await owner.rest.patch(f"/guilds/{guild['id']}", {"name": "Another name", "description": "words"})).json
    assert changed["name"] == "Another name" and changed["description"] == "words"
    refused = await member.rest.patch(f"/guilds/{guild['id']}", {"name": "mine now"}, expect=403)
    assert refused.code == 50013
    assert (await member.rest.get(f"/guilds/{guild['id']}")).json["name"] == "Another name"


async def test_a_stranger_sees_no_guild(people):
    owner, stranger = await people.user("owner"), await people.user("stranger")
    guild = await people.guild(owner)
    answer = await stranger.rest.get(f"/guilds/{guild['id']}", expect=(403, 404))
    assert answer.code in (50001, 10004)
    answer = await stranger.rest.get("/guilds/81384788765712384", expect=404)
    assert answer.code == 10004


async def test_a_users_guilds_are_listed_and_paged(people):
    owner = await people.user("owner")
    ids = sorted([(await people.guild(owner))["id"] for _ in range(5)], key=int)
    listed = (await owner.rest.get("/users/@me/guilds")).json
    assert [guild["id"] for guild in listed] == ids
    assert all(guild["owner"] for guild in listed)
    page = (await owner.rest.get("/users/@me/guilds", query={"limit": 2})).json
    assert [guild["id"] for guild in page] == ids[:2]
    page = (await owner.rest.get("/users/@me/guilds", query={"limit": 2, "after": ids[1]})).json
    assert [guild["id"] for guild in page] == ids[2:4]
    page = (await owner.rest.get("/users/@me/guilds", query={"limit": 2, "before": ids[4]})).json
    assert [guild["id"] for guild in page] == ids[2:4]


async def test_a_member_leaves_and_the_owner_cannot(people):
    owner, member = await people.user("owner"), await people.user("member")
    guild = await people.guild(owner)
    await people.join(member, guild, owner)
    assert guild["id"] in [g["id"] for g in (await member.rest.get("/users/@me/guilds")).json]
    await member.rest.delete(f"/users/@me/guilds/{guild['id']}")
    assert guild["id"] not in [g["id"] for g in (await member.rest.get("/users/@me/guilds")).json]
    await member.rest.get(f"/guilds/{guild['id']}", expect=(403, 404))
    await owner.rest.delete(f"/users/@me/guilds/{guild['id']}", expect=400)


async def test_a_deleted_guild_is_gone_for_all(people):
    owner, member = await people.user("owner"), await people.user("member")
    guild = await people.guild(owner)
    channel = await people.channel(owner, guild)
    await people.join(member, guild, owner)
    session = await people.connect(member)
    answer = await member.rest.delete(f"/guilds/{guild['id']}", expect=403)
    assert answer.code in (50001, 50013)
    await owner.rest.delete(f"/guilds/{guild['id']}")
    event = await session.event("GUILD_DELETE")
    assert event["id"] == guild["id"] and not event.get("unavailable", False)
    await session.close()
    for account in (owner, member):
        await account.rest.get(f"/guilds/{guild['id']}", expect=(403, 404))
        await account.rest.get(f"/channels/{channel['id']}/messages", expect=(403, 404))
        assert guild["id"] not in [g["id"] for g in (await account.rest.get("/users/@me/guilds")).json]
    second = await people.guild(owner)
    await owner.rest.post(f"/guilds/{second['id']}/delete", {}, expect=204)
    await owner.rest.get(f"/guilds/{second['id']}", expect=(403, 404))
