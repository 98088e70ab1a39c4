import json
import os
import signal
import stat
import subprocess

import pytest

from harness.cluster import PROGRAMS, is_alive, until


async def test_every_killed_process_is_started_again_and_said_so(own_cluster, people_of):
    cluster = own_cluster(guild_nodes=2)
    people = people_of(cluster)
    owner = await people.user("owner")
    guild = await people.guild(owner)
    channel = await people.channel(owner, guild)
    for name in ("guild-1", "gateway-1", "guild-2", "gateway-2", "router-1"):
        pid = cluster.kill(name)
        new = await cluster.restarted(name, pid)
        assert new != pid
        assert f"{name} (pid {pid}) killed by signal 9" in cluster.supervisor_log.read_text()
        session = await people.connect(owner)
        sent = (await owner.rest.post(f"/channels/{channel['id']}/messages", {"content": name})).json
        assert (await session.event("MESSAGE_CREATE"))["id"] == sent["id"]
        await session.close()


async def test_a_second_start_goes_on_where_it_was(own_cluster, people_of):
    cluster = own_cluster(guild_nodes=2)
    people = people_of(cluster)
    owner = await people.user("owner")
    guild = await people.guild(owner)
    channel = await people.channel(owner, guild)
    sent = (await owner.rest.post(f"/channels/{channel['id']}/messages", {"content": "kept"})).json
    before = cluster.file
    assert cluster.stop() == 0
    cluster.start()
    after = cluster.file
    for key in ("url", "admin_token", "owner", "bot"):
        assert after[key] == before[key]
    assert {p["pid"] for p in after["processes"]}.isdisjoint({p["pid"] for p in before["processes"]})
    page = (await owner.rest.get(f"/channels/{channel['id']}/messages")).json
    assert [m["content"] for m in page] == ["kept"]
    later = (await owner.rest.post(f"/channels/{channel['id']}/messages", {"content": "later"})).json
    assert int(later["id"]) > int(sent["id"])
    assert (await people.rest.with_token(before["owner"]["token"]).get("/users/@me")).json["id"] == before["owner"]["id"]


def test_the_clusters_file_is_complete_and_private(cluster):
    path = cluster.data / "cluster.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    file = json.loads(path.read_text())
    assert set(file) == {"url", "admin_token", "owner", "bot", "processes"}
    assert set(file["owner"]) == {"id", "email", "password", "token"}
    assert set(file["bot"]) == {"id", "application_id", "token"}
    roles = sorted(process["role"] for process in file["processes"])
    assert roles == ["gateway"] * 2 + ["guild"] * 3 + ["router"]
    for process in file["processes"]:
        assert set(process) == {"name", "role", "pid", "log"}
        assert os.path.exists(process["log"]) and is_alive(process["pid"], cluster.data)


async def test_the_file_holds_accounts_that_work(cluster, rest):
    file = cluster.file
    login = await rest.post("/auth/login", {"login": file["owner"]["email"], "password": file["owner"]["password"]})
    assert login.json["user_id"] == file["owner"]["id"]
    bot = rest.with_token(f"Bot {file['bot']['token']}")
    assert (await bot.get("/users/@me")).json["id"] == file["bot"]["id"]


def test_a_second_supervisor_on_the_same_data_is_refused(cluster):
    second = subprocess.run(
        [PROGRAMS / "guildctl", "cluster", "up", "--data", cluster.data, "--port", "0"],
        capture_output=True, text=True, timeout=60,
    )
    assert second.returncode == 1
    assert "already runs" in second.stderr and str(cluster.supervisor.pid) in second.stderr


async def test_when_the_supervisor_is_killed_its_children_end_and_the_next_start_works(own_cluster):
    cluster = own_cluster(guild_nodes=1, gateway_nodes=1)
    pids = [process["pid"] for process in cluster.file["processes"]]
    cluster.supervisor.kill()
    cluster.supervisor.wait()
    cluster.supervisor.stdout.close()
    await until(lambda: not any(is_alive(pid, cluster.data) for pid in pids), 40, "the orphans to end")
    cluster.start()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_graceful_and_ends_everything(own_cluster, number):
    cluster = own_cluster(guild_nodes=1, gateway_nodes=1)
    pids = [process["pid"] for process in cluster.file["processes"]]
    cluster.supervisor.send_signal(number)
    assert cluster.supervisor.wait(40) == 0
    assert "is killed" not in cluster.supervisor_log.read_text()
    assert not any(is_alive(pid, cluster.data) for pid in pids)


def test_detached_it_runs_on_and_down_stops_it(tmp_path):
    data = tmp_path / "data"
    up = subprocess.run(
        [PROGRAMS / "guildctl", "cluster", "up", "--data", data, "--port", "0", "--guild-nodes", "1",
         "--gateway-nodes", "1", "--detach"],
        capture_output=True, text=True, timeout=150,
    )
    try:
        assert up.returncode == 0, up.stderr
        assert up.stdout.startswith("ready: http://127.0.0.1:")
        for word in ("owner", "bot token", "/api/v10", "cluster status"):
            assert word in up.stdout
        pids = [process["pid"] for process in json.loads((data / "cluster.json").read_text())["processes"]]
        assert all(is_alive(pid, data) for pid in pids)
    finally:
        down = subprocess.run(
            [PROGRAMS / "guildctl", "cluster", "down", "--data", data], capture_output=True, text=True, timeout=90
        )
    assert down.returncode == 0, down.stderr
    assert not any(is_alive(pid, data) for pid in pids)
