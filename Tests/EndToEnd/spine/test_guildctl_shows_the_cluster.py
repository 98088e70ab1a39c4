import json
import os
import subprocess
import urllib.request

import pytest

from harness.cluster import PROGRAMS


def test_status_names_every_process(cluster):
    status = cluster.guildctl.json("cluster", "status")
    assert status["cluster"]["is_ready"] and status["cluster"]["is_test"]
    assert status["cluster"]["slots"]["assigned"] == 1024
    assert status["cluster"]["nodes"]["guild"] == 3 and status["cluster"]["nodes"]["gateway"] == 2
    table = cluster.guildctl.run("cluster", "status").stdout
    for name in ("router-1", "guild-1", "guild-2", "guild-3", "gateway-1", "gateway-2"):
        assert name in table


def test_nodes_share_the_slots(cluster):
    nodes = cluster.guildctl.json("node", "list")
    slots = {node["id"]: node["primary_slots"] for node in nodes if "guild" in node["roles"]}
    assert sum(slots.values()) == 1024
    assert max(slots.values()) - min(slots.values()) <= 0.25 * 1024 / 3
    assert {node["pid"] for node in nodes} == {process["pid"] for process in cluster.file["processes"]}


def test_shards_are_listed_by_primary(cluster):
    shards = cluster.guildctl.json("shard", "list")
    assert [shard["slot"] for shard in shards] == list(range(1024))
    own = cluster.guildctl.json("shard", "list", "--primary", "guild-2")
    assert own == [shard for shard in shards if shard["primary"] == "guild-2"] != []
    assert "guild-2" in cluster.guildctl.run("shard", "list").stdout


async def test_users_and_bots_are_created(cluster, people):
    name = people.new_name("ops")
    made = cluster.guildctl.run("user", "create", name, f"{name}@example.org", "--json", stdin="a long password\n")
    user = json.loads(made.stdout)
    assert (await people.rest.with_token(user["token"]).get("/users/@me")).json["username"] == name
    again = cluster.guildctl.run(
        "user", "create", name, f"{name}2@example.org", "--password", "a long password", check=False
    )
    assert again.returncode == 2 and "username" in again.stderr
    bot = cluster.guildctl.json("bot", "create", "helper", "--owner", user["id"])
    assert (await people.rest.with_token("Bot " + bot["token"]).get("/users/@me")).json["id"] == bot["id"]


def test_endpoint_and_token_file_stand_for_the_data_folder(cluster):
    arguments = ["--endpoint", cluster.url, "--token-file", cluster.data / "admin-token", "--json"]
    done = subprocess.run([PROGRAMS / "guildctl", "cluster", "status", *arguments], capture_output=True, timeout=60)
    assert done.returncode == 0 and json.loads(done.stdout)["cluster"]["is_ready"]


@pytest.mark.parametrize("arguments, code", [
    (["guild", "where", "no-number"], 64),
    (["no-such-command"], 64),
    (["cluster", "clock", "--offset", "99999d"], 2),
    (["cluster", "status", "--endpoint", "http://127.0.0.1:9"], 3),
])
def test_exit_codes_mean_something(cluster, arguments, code):
    assert cluster.guildctl.run(*arguments, check=False).returncode == code


def test_a_wrong_admin_token_is_refused(cluster, tmp_path):
    wrong = tmp_path / "token"
    wrong.write_text("not-the-token\n")
    done = cluster.guildctl.run("cluster", "status", "--token-file", str(wrong), check=False)
    assert done.returncode == 2 and "401" in done.stderr


def test_a_file_that_holds_no_token_is_neither_sent_nor_shown(cluster, tmp_path):
    wrong = tmp_path / "secret"
    wrong.write_text("some other\nsecret of the operator\n")
    done = cluster.guildctl.run("cluster", "status", "--token-file", str(wrong), check=False)
    assert done.returncode == 1 and "operator" not in done.stdout + done.stderr


def test_a_reader_that_has_seen_enough_is_no_fault(cluster):
    """As in `guildctl shard list | head -3`: nobody reads any more when guildctl writes."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [PROGRAMS / "guildctl", "shard", "list", "--data", str(cluster.data)],
        stdout=writer, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_process_tells_its_health_and_metrics(cluster):
    for node in cluster.guildctl.json("node", "list"):
        base = f"http://127.0.0.1:{node['health_port']}"
        for path in ("/health/live", "/health/ready"):
            with urllib.request.urlopen(base + path, timeout=10) as response:
                assert response.status == 200, (node["id"], path)
        with urllib.request.urlopen(base + "/metrics", timeout=10) as response:
            text = response.read().decode()
        assert "# TYPE " in text, node["id"]


def test_the_configuration_is_checked_without_starting(cluster, tmp_path):
    for name in ("router-1", "guild-1", "gateway-1"):
        program = PROGRAMS / ("guildhall-router" if name == "router-1" else "guildhall-node")
        good = cluster.data / "config" / f"{name}.yaml"
        assert subprocess.run([program, "--config", good, "--check-config"], timeout=30).returncode == 0
        bad = tmp_path / f"{name}.yaml"
        bad.write_text(good.read_text() + "listen.pot: 1\n")
        done = subprocess.run([program, "--config", bad, "--check-config"], capture_output=True, text=True, timeout=30)
        assert done.returncode == 78 and "listen.port" in done.stdout + done.stderr


def test_the_clock_of_a_cluster_not_made_for_tests_stands(own_cluster):
    cluster = own_cluster(guild_nodes=1, gateway_nodes=1, test_clock=False)
    done = cluster.guildctl.run("cluster", "clock", "--offset", "1d", check=False)
    assert done.returncode == 2 and "403" in done.stderr
