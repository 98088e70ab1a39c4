"""A cluster of three guild nodes is backed up while people write, and restored to one node and to four."""

import asyncio
import json
import subprocess

import pytest

from harness.cluster import PROGRAMS, until
from harness.people import Account, People
from harness.rest import Rest
from harness.writers import Load, whole_history


async def guildctl(*arguments, **options):
    """Runs the command beside the writers."""
    return await asyncio.to_thread(run, *arguments, **options)


def run(*arguments, check=True, limit=180):
    done = subprocess.run([PROGRAMS / "guildctl", *arguments], capture_output=True, text=True, timeout=limit)
    if check:
        assert done.returncode == 0, f"guildctl {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr[-3000:]}"
    return done


def killed_on_the_way(arguments, word):
    """Starts guildctl and kills it once its standard error has shown `word`."""
    process = subprocess.Popen([PROGRAMS / "guildctl", *arguments], stderr=subprocess.PIPE, text=True)
    shown = ""
    for line in process.stderr:
        shown += line
        if word in line:
            break
    process.kill()
    process.communicate()
    assert word in shown, shown
    return shown


class Place:
    """Some people in two guilds, and all that they can see."""

    def __init__(self, people):
        self.people = people

    async def build(self):
        self.owner = await self.people.user("owner")
        self.members = [await self.people.user("member") for _ in range(4)]
        self.bot = self.people.bot(self.owner)
        nodes = self.people.cluster.names("guild")
        self.guilds = [await self.people.guild(self.owner, on=node) for node in nodes[:2]]
        self.channels = [await self.people.channel(self.owner, guild) for guild in self.guilds]
        for member in self.members[:2]:
            for guild, channel in zip(self.guilds, self.channels):
                await self.people.join(member, guild, self.owner, channel)
        await self.people.add_bot(self.owner, self.bot, self.guilds[0], "8")

    async def seen(self, rest_of):
        """Everything that these accounts read over the API, `rest_of(account)` being their view of a cluster."""
        owner = rest_of(self.owner)
        seen = {}
        for account in [self.owner, *self.members, self.bot]:
            rest = rest_of(account)
            seen[f"me {account.name}"] = (await rest.get("/users/@me")).json
            guilds = (await rest.get("/users/@me/guilds")).json
            seen[f"guilds {account.name}"] = sorted(guilds, key=lambda guild: guild["id"])
        for guild, channel in zip(self.guilds, self.channels):
            seen[f"guild {guild['id']}"] = (await owner.get(f"/guilds/{guild['id']}")).json
            seen[f"channels {guild['id']}"] = (await owner.get(f"/guilds/{guild['id']}/channels")).json
            members = (await owner.get(f"/guilds/{guild['id']}/members?limit=100")).json
            seen[f"members {guild['id']}"] = members
            account = Account(self.owner.id, self.owner.name, self.owner.token, owner)
            seen[f"history {channel['id']}"] = await whole_history(account, channel["id"])
        return seen


@pytest.mark.timeout(900)
async def test_a_backup_under_load_restores_to_one_node_and_to_four(own_cluster, people_of, conformance, tmp_path):
    store = f"file://{tmp_path}/backups"
    source = own_cluster(guild_nodes=3, gateway_nodes=1)
    at_source = ["--data", str(source.data), "--location", store]
    place = Place(people_of(source))
    await place.build()
    load = Load(place.owner, place.channels, writers_a_channel=2, label="load")
    load.start()
    await load.progress(10)

    # The command dies in the middle of the full backup; it is listed as unfinished, and goes on.
    await asyncio.to_thread(killed_on_the_way, ["backup", "create", *at_source], "rows    [###")
    listed = json.loads((await guildctl("backup", "list", "--location", store, "--json")).stdout)
    assert [backup["is_complete"] for backup in listed] == [False]
    full = json.loads((await guildctl("backup", "create", *at_source, "--resume", listed[0]["id"], "--json")).stdout)
    assert full["id"] == listed[0]["id"] and full.get("parent") is None
    assert full["unreconcilable_slots"] == 0

    # A node dies in the middle of the next one; the slots' next primary, here the same node again, does the rest.
    await load.progress(10)
    await place.people.join(place.members[2], place.guilds[0], place.owner, place.channels[0])
    await place.members[1].rest.delete(f"/users/@me/guilds/{place.guilds[1]['id']}", expect=204)
    victim = source.names("guild")[1]
    killed = []

    def kill_once_rows_come():
        creating = subprocess.Popen(
            [PROGRAMS / "guildctl", "backup", "create", *at_source, "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for line in creating.stderr:
            if "rows    [###" in line:
                break
        killed.append(source.kill(victim))
        output, errors = creating.communicate(timeout=180)
        assert creating.returncode == 0, errors
        return json.loads(output)

    second = await asyncio.to_thread(kill_once_rows_come)
    assert second["parent"] == full["id"] and second["incremental_slots"] == 1024
    await source.restarted(victim, killed[0])

    # The last one is made when all have fallen silent: it is what the restored clusters must show.
    await load.progress(5)
    await load.stop()
    last = json.loads((await guildctl("backup", "create", *at_source, "--json")).stdout)
    assert last["parent"] == second["id"] and last["incremental_slots"] == 1024
    expected = await place.seen(lambda account: account.rest)
    assert len(expected[f"history {place.channels[0]['id']}"]) > 40
    checked = json.loads((await guildctl("backup", "verify", "--location", store, "--json")).stdout)
    assert checked["id"] == last["id"] and checked["faults"] == []

    # A cluster that holds anything is refused, and nothing of it changes.
    refused = await guildctl("restore", "--data", str(source.data), "--from", store, "--backup", full["id"], check=False)
    assert refused.returncode == 2 and "not empty" in refused.stderr
    assert await place.seen(lambda account: account.rest) == expected
    assert source.stop() == 0

    for nodes in (1, 4):
        await restore_and_check(own_cluster, conformance, place, expected, store, last["id"], nodes)

    # A changed byte is found, and is not restored.
    pack = next(path for path in sorted((tmp_path / "backups").rglob("slots/*/*.object")) if path.stat().st_size > 200)
    content = bytearray(pack.read_bytes())
    content[60] ^= 1
    pack.write_bytes(content)
    broken = await guildctl("backup", "verify", "--location", store, "--json", check=False)
    assert broken.returncode == 1 and len(json.loads(broken.stdout)["faults"]) == 1

    # Pruning keeps what the newest builds on.
    assert json.loads((await guildctl("backup", "prune", "--location", store, "--keep", "1", "--yes", "--json")).stdout) == {
        "deleted": []
    }


async def restore_and_check(own_cluster, conformance, place, expected, store, backup, nodes):
    cluster = own_cluster(guild_nodes=nodes, gateway_nodes=1, options=["--without-accounts"])
    arguments = ["restore", "--data", str(cluster.data), "--from", store, "--backup", backup]
    await asyncio.to_thread(killed_on_the_way, arguments, "load    [###")
    assert "restored" in (await guildctl(*arguments)).stdout
    # Done twice it changes nothing.
    assert "restored" in (await guildctl(*arguments)).stdout
    assert cluster.stop() == 0
    cluster.start()

    anyone = Rest(cluster.url, conformance)
    try:
        assert await place.seen(lambda account: anyone.with_token(account.rest.token)) == expected
        people = People(cluster, anyone)
        owner = Account(place.owner.id, place.owner.name, place.owner.token, anyone.with_token(place.owner.token))
        await check_that_it_lives(people, owner, place, expected)
    finally:
        await anyone.close()
    assert cluster.stop() == 0


async def check_that_it_lives(people, owner, place, expected):
    channel, guild = place.channels[0]["id"], place.guilds[0]["id"]
    session = await people.connect(owner)
    assert guild in session.guilds
    written = (await owner.rest.post(f"/channels/{channel}/messages", {"content": "again"})).json
    event = await session.event("MESSAGE_CREATE")
    assert event["id"] == written["id"]
    await session.close()

    # Ids go on above all that the slot had given.
    before = [identifier for identifier, _ in expected[f"history {channel}"]]
    assert int(written["id"]) > max(map(int, before))
    newest = await people.channel(owner, {"id": guild}, "new")
    assert int(newest["id"]) > max(map(int, [*before, channel, guild]))

    # Names that were taken are taken, passwords hold, and effects between slots go on.
    await people.rest.post(
        "/auth/register", {"username": owner.name, "email": "other@example.org", "password": "long-enough-1"}, expect=400
    )
    logged_in = await people.rest.post(
        "/auth/login", {"login": place.owner.email, "password": place.owner.password}, expect=200
    )
    assert logged_in.json["token"]
    late = place.members[3]
    member = Account(late.id, late.name, late.token, people.rest.with_token(late.token))
    await people.join(member, {"id": guild}, owner, place.channels[0])

    async def has_joined():
        return guild in {g["id"] for g in (await member.rest.get("/users/@me/guilds")).json}

    await until(has_joined, 20, "the guild to be in the new member's list")
