"""session_start_limit tells the truth, whichever gateways a bot identified at."""


async def test_each_identify_is_counted_and_a_resume_is_not(cluster, people):
    owner = await people.user("owner")
    guild = await people.guild(owner)
    bot = people.bot(owner)
    await people.add_bot(owner, bot, guild)

    async def limit():
        return (await bot.rest.get("/gateway/bot")).json["session_start_limit"]

    assert await limit() == {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 16}
    for number in range(4):
        session = await people.connect(bot)
        session.cut()
        left = await limit()
        assert left["remaining"] == 999 - number and 86_000_000 < left["reset_after"] <= 86_400_000
    again = await type(session).connect(cluster.websocket_url)
    await again.resume(bot.token, session.session_id, session.sequence)
    await again.event("RESUMED")
    assert (await limit())["remaining"] == 996
    await again.close()
