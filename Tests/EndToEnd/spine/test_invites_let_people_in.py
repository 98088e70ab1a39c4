import asyncio


async def test_an_invite_is_made_shown_and_accepted(people):
    owner, guest = await people.user("owner"), await people.user("guest")
    guild = await people.guild(owner)
    channel = await people.channel(owner, guild)
    watcher, session = await people.connect(owner), await people.connect(guest)
    invite = (await owner.rest.post(f"/channels/{channel['id']}/invites", {"max_age": 3600, "max_uses": 2})).json
    assert invite["guild"]["id"] == guild["id"] and invite["channel"]["id"] == channel["id"]
    assert invite["inviter"]["id"] == owner.id and invite["max_uses"] == 2
    shown = (await guest.rest.get(f"/invites/{invite['code']}", query={"with_counts": "true"})).json
    assert shown["guild"]["name"] == guild["name"] and shown["approximate_member_count"] == 1
    accepted = (await guest.rest.post(f"/invites/{invite['code']}", {})).json
    assert accepted["guild"]["id"] == guild["id"]
    assert (await session.event("GUILD_CREATE"))["id"] == guild["id"]
    event = await watcher.event("GUILD_MEMBER_ADD")
    assert event["user"]["id"] == guest.id and event["guild_id"] == guild["id"]
    await watcher.close()
    await session.close()
    await guest.rest.get(f"/channels/{channel['id']}/messages")


async def test_an_invite_ends_with_its_uses_and_when_it_is_revoked(people):
    owner = await people.user("owner")
    guests = [await people.user("guest") for _ in range(4)]
    guild = await people.guild(owner)
    channel = await people.channel(owner, guild)
    path = f"/channels/{channel['id']}/invites"
    once = (await owner.rest.post(path, {"max_uses": 1, "unique": True})).json
    answers = await asyncio.gather(*(g.rest.post(f"/invites/{once['code']}", {}, expect=(200, 404)) for g in guests[:3]))
    assert sorted(answer.status for answer in answers) == [200, 404, 404]
    assert {answer.code for answer in answers if answer.status == 404} == {10006}
    other = (await owner.rest.post(path, {"unique": True})).json
    listed = [i["code"] for i in (await owner.rest.get(path)).json]
    assert other["code"] in listed and once["code"] not in listed
    assert other["code"] in [i["code"] for i in (await owner.rest.get(f"/guilds/{guild['id']}/invites")).json]
    assert (await guests[3].rest.delete(f"/invites/{other['code']}", expect=403)).code in (50001, 50013)
    await owner.rest.delete(f"/invites/{other['code']}", expect=200)
    assert (await guests[3].rest.post(f"/invites/{other['code']}", {}, expect=404)).code == 10006


async def test_an_unknown_code_is_unknown(people):
    user = await people.user()
    for code in ("0000000000", "nothing", "zzzzzzzzzz"):
        assert (await user.rest.get(f"/invites/{code}", expect=404)).code == 10006


async def test_a_bot_takes_no_invite(people):
    owner = await people.user("owner")
    bot = people.bot(owner)
    guild = await people.guild(owner)
    channel = await people.channel(owner, guild)
    invite = (await owner.rest.post(f"/channels/{channel['id']}/invites", {})).json
    await bot.rest.post(f"/invites/{invite['code']}", {}, expect=(400, 403))
