"""scripts/run as README shows it, but with the debug build that the other suites use."""

import json
import subprocess

import pytest

from harness.cluster import REPOSITORY, is_alive

RUN = REPOSITORY / "scripts" / "run"


def run(*arguments, limit=600):
    return subprocess.run([RUN, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit)


@pytest.mark.timeout(900)
def test_run_starts_says_how_to_go_on_and_stop_stops(tmp_path):
    data = tmp_path / "data"
    pids = []
    try:
        done = run("--debug", "--data", str(data), "--port", "0", "--guild-nodes", "1", "--gateway-nodes", "1", "--detach")
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        file = json.loads((data / "cluster.json").read_text())
        assert lines[0] == f"ready: {file['url']}"
        assert file["bot"]["token"] in done.stdout and file["owner"]["email"] in done.stdout
        pids = [process["pid"] for process in file["processes"]]
        assert len(pids) == 3 and all(is_alive(pid, data) for pid in pids)
        again = run("--debug", "--data", str(data), "--detach")
        assert again.returncode != 0 and "already runs" in again.stderr
    finally:
        stopped = run("stop", "--data", str(data), limit=120)
    assert stopped.returncode == 0, stopped.stderr
    assert not any(is_alive(pid, data) for pid in pids)


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["--data"], ["stop", "--port", "1"]])
def test_a_wrong_command_line_is_said_and_starts_nothing(arguments):
    done = run(*arguments, limit=60)
    assert done.returncode != 0 and done.stderr.strip()


def test_help_names_every_option():
    text = run("--help", limit=60).stdout
    for option in ("--guild-nodes", "--gateway-nodes", "--voice-nodes", "--port", "--data", "--detach", "--debug", "stop"):
        assert option in text


def test_an_unknown_suite_is_named_and_fails():
    done = subprocess.run(
        [REPOSITORY / "scripts" / "test", "--only", "nonsense"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    for suite in ("nonsense", "unit", "fuzz", "spine"):
        assert suite in done.stderr
