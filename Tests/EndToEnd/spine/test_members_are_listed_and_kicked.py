async def test_members_are_listed_in_pages(people):
    owner = await people.user("owner")
    guild = await people.guild(owner)
    bot = people.bot(owner)
    await people.add_bot(owner, bot, guild)
    users = [await people.user() for _ in range(4)]
    for user in users:
        await people.join(user, guild, owner)
    ids = sorted([owner.id, bot.id, *(user.id for user in users)], key=int)
    path = f"/guilds/{guild['id']}/members"
    assert [m["user"]["id"] for m in (await bot.rest.get(path, query={"limit": 100})).json] == ids
    page = (await bot.rest.get(path, query={"limit": 2, "after": ids[1]})).json
    assert [m["user"]["id"] for m in page] == ids[2:4]
    assert len((await bot.rest.get(path)).json) == 1
    assert (await owner.rest.get(f"/guilds/{guild['id']}?with_counts=true")).json["approximate_member_count"] == 6


async def test_a_member_is_read_and_an_unknown_one_is_not(people):
    owner, member = await people.user("owner"), await people.user("member")
    guild = await people.guild(owner)
    assert (await owner.rest.get(f"/guilds/{guild['id']}/members/{member.id}", expect=404)).code == 10007
    await people.join(member, guild, owner)
    read = (await owner.rest.get(f"/guilds/{guild['id']}/members/{member.id}")).json
    assert read["user"]["id"] == member.id and read["roles"] == [] and read["joined_at"]


async def test_a_kicked_member_is_out_and_all_are_told(people):
    owner, member, other = [await people.user(name) for name in ("owner", "member", "other")]
    guild = await people.guild(owner)
    for user in (member, other):
        await people.join(user, guild, owner)
    watcher, kicked = await people.connect(owner), await people.connect(member)
    path = f"/guilds/{guild['id']}/members/{member.id}"
    assert (await other.rest.delete(path, expect=403)).code == 50013
    assert (await member.rest.delete(f"/guilds/{guild['id']}/members/{owner.id}", expect=403)).code == 50013
    await owner.rest.delete(path)
    event = await watcher.event("GUILD_MEMBER_REMOVE")
    assert event["user"]["id"] == member.id and event["guild_id"] == guild["id"]
    assert (await kicked.event("GUILD_DELETE"))["id"] == guild["id"]
    await watcher.close()
    await kicked.close()
    await member.rest.get(f"/guilds/{guild['id']}", expect=(403, 404))
    assert guild["id"] not in [g["id"] for g in (await member.rest.get("/users/@me/guilds")).json]
    assert (await owner.rest.delete(path, expect=404)).code == 10007


async def test_a_nickname_is_changed(people):
    owner, member = await people.user("owner"), await people.user("member")
    guild = await people.guild(owner)
    await people.join(member, guild, owner)
    changed = (await member.rest.patch(f"/guilds/{guild['id']}/members/@me", {"nick": "Nick"})).json
    assert changed["nick"] == "Nick"
    changed = (await owner.rest.patch(f"/guilds/{guild['id']}/members/{member.id}", {"nick": "Other"})).json
    assert changed["nick"] == "Other"
