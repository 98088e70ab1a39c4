"""A guild and its member's list of guilds lie on different nodes; the outbox between them survives kills of either."""

import asyncio
import os
import signal

import pytest
import pytest_asyncio

from harness.cluster import until


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def crowd(own_cluster_of_module, people_of_module):
    """An owner on one guild node, and users on another."""
    cluster, people = own_cluster_of_module, people_of_module
    owner, *users = await asyncio.gather(users_on("guild-1", 1, cluster, people), users_on("guild-2", 4, cluster, people))
    return owner[0], users[0]


@pytest.fixture
async def parted(own_cluster_of_module, people_of_module, crowd):
    """A new guild on the owner's node, with an invite for the users of the other."""
    owner, users = crowd
    cluster = own_cluster_of_module

    def are_home():
        return cluster.where(owner.id) == "guild-1" and {cluster.where(user.id) for user in users} == {"guild-2"}

    await until(are_home, 90, "the slots that an earlier test's kills moved to return")
    guild = await people_of_module.guild(owner, on="guild-1")
    channel = await people_of_module.channel(owner, guild)
    invite = (await owner.rest.post(f"/channels/{channel['id']}/invites", {})).json["code"]
    return cluster, owner, guild, invite, users


async def users_on(node, count, cluster, people):
    found = []
    while len(found) < count:
        user = await people.user()
        if cluster.where(user.id) == node:
            found.append(user)
    return found


async def times_listed(user, guild):
    return [g["id"] for g in (await user.rest.get("/users/@me/guilds")).json].count(guild["id"])


async def are_members(owner, guild, users):
    members = (await owner.rest.get(f"/guilds/{guild['id']}/members", query={"limit": 100})).json
    return {user.id for user in users} & {member["user"]["id"] for member in members}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("victims", [["guild-1"], ["guild-2"], ["guild-1", "guild-2"]], ids="+".join)
async def test_a_join_is_in_the_users_list_once_when_a_side_is_killed_right_after(parted, victims):
    cluster, owner, guild, invite, users = parted
    answers = await asyncio.gather(*(user.rest.post(f"/invites/{invite}", {}) for user in users))
    killed = {name: cluster.kill(name) for name in victims}
    assert len(answers) == len(users)
    for name, pid in killed.items():
        await cluster.restarted(name, pid)
    assert await are_members(owner, guild, users) == {user.id for user in users}
    for user in users:
        await until(lambda user=user: listed(user, guild, 1), 30, "the join to reach the user's list")


@pytest.mark.timeout(300)
async def test_a_kick_reaches_a_user_whose_node_was_away_and_whose_guilds_node_died_since(parted):
    cluster, owner, guild, invite, users = parted
    await asyncio.gather(*(user.rest.post(f"/invites/{invite}", {}) for user in users))
    for user in users:
        await until(lambda user=user: listed(user, guild, 1), 30, "the join to reach the user's list")
    away = cluster.pid("guild-2")
    # The users' node hears nothing, so the effects stay in the guild's outbox…
    os.kill(away, signal.SIGSTOP)
    for user in users:
        await owner.rest.delete(f"/guilds/{guild['id']}/members/{user.id}")
    # …until both nodes have died and come back.
    dead = cluster.kill("guild-1")
    os.kill(away, signal.SIGKILL)
    await cluster.restarted("guild-1", dead)
    await cluster.restarted("guild-2", away)
    assert await are_members(owner, guild, users) == set()
    for user in users:
        await until(lambda user=user: listed(user, guild, 0), 30, "the kick to reach the user's list")
    # A join afterwards counts once, and no late copy of the kick undoes it.
    await users[0].rest.post(f"/invites/{invite}", {})
    await until(lambda: listed(users[0], guild, 1), 30, "the second join to reach the user's list")
    pid = cluster.kill("guild-1")
    await cluster.restarted("guild-1", pid)
    assert await times_listed(users[0], guild) == 1
    assert await are_members(owner, guild, users) == {users[0].id}


async def listed(user, guild, count):
    return await times_listed(user, guild) == count
