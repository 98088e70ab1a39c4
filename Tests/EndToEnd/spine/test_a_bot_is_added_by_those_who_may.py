async def test_a_guilds_owner_adds_a_bot_as_discords_client_does(people):
    owner = await people.user("owner")
    bot = people.bot(owner)
    guild = await people.guild(owner)
    session = await people.connect(bot)
    await people.add_bot(owner, bot, guild, permissions="8")
    created = await session.event("GUILD_CREATE")
    assert created["id"] == guild["id"] and bot.id in [m["user"]["id"] for m in created["members"]]
    await session.close()
    member = (await owner.rest.get(f"/guilds/{guild['id']}/members/{bot.id}")).json
    roles = {r["id"]: r for r in (await owner.rest.get(f"/guilds/{guild['id']}/roles")).json}
    assert len(member["roles"]) == 1
    own = roles[member["roles"][0]]
    assert own["managed"] and own["permissions"] == "8" and own["tags"]["bot_id"] == bot.id


async def test_a_member_without_the_right_adds_no_bot(people):
    owner, member = await people.user("owner"), await people.user("member")
    bot = people.bot(member)
    guild = await people.guild(owner)
    await people.join(member, guild, owner)
    query = {"client_id": bot.id, "scope": "bot", "permissions": "0"}
    body = {"guild_id": guild["id"], "permissions": "0", "authorize": True}
    assert (await member.rest.post("/oauth2/authorize", body, query=query, expect=403)).code == 50013
    assert (await owner.rest.get(f"/guilds/{guild['id']}/members/{bot.id}", expect=404)).code == 10007


async def test_the_operator_adds_a_bot_and_twice_is_once(people, cluster):
    owner = await people.user("owner")
    bot = people.bot(owner)
    guild = await people.guild(owner)
    for _ in range(2):
        cluster.guildctl.run("bot", "add", bot.id, guild["id"], "--permissions", "2048")
    members = (await bot.rest.get(f"/guilds/{guild['id']}/members", query={"limit": 10})).json
    assert sorted(m["user"]["id"] for m in members) == sorted([owner.id, bot.id])
    unknown = cluster.guildctl.run("bot", "add", "81384788765712384", guild["id"], check=False)
    assert unknown.returncode == 2 and "404" in unknown.stderr


async def test_only_a_user_adds_a_bot(people):
    owner = await people.user("owner")
    bot, other = people.bot(owner), people.bot(owner)
    guild = await people.guild(owner)
    await people.add_bot(owner, bot, guild, permissions="8")
    query = {"client_id": other.id, "scope": "bot", "permissions": "0"}
    body = {"guild_id": guild["id"], "permissions": "0", "authorize": True}
    await bot.rest.post("/oauth2/authorize", body, query=query, expect=(400, 401, 403))
