"""Starts real clusters with guildctl, and reaches into their processes."""

import asyncio
import json
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
# The one build that all suites share; scripts/test sets nothing else.
PROGRAMS = Path(os.environ.get("E2E_PROGRAMS", REPOSITORY / ".build" / "debug"))
START_LIMIT = 120


class StartFailed(AssertionError):
    pass


class Guildctl:
    """Runs guildctl against one data folder."""

    def __init__(self, data, programs):
        self.data = data
        self.programs = programs

    def run(self, *arguments, check=True, stdin=""):
        done = subprocess.run(
            [self.programs / "guildctl", *arguments, "--data", str(self.data)],
            capture_output=True, text=True, timeout=60, input=stdin,
        )
        if check:
            assert done.returncode == 0, f"guildctl {arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--json").stdout)


class Cluster:
    def __init__(self, data, *, guild_nodes=3, gateway_nodes=2, test_clock=True, options=(), programs=PROGRAMS):
        self.data = Path(data)
        self.programs = programs
        self.options = ["--guild-nodes", str(guild_nodes), "--gateway-nodes", str(gateway_nodes), *options]
        if test_clock:
            self.options.append("--test-clock")
        self.supervisor = None
        self.guildctl = Guildctl(self.data, programs)
        self.supervisor_log = self.data.parent / f"{self.data.name}-supervisor.log"

    def use(self, programs):
        """Takes another build, from the next start on."""
        self.programs = self.guildctl.programs = programs
        return self

    def start(self):
        """Returns when the cluster says that it is ready."""
        log = open(self.supervisor_log, "ab")
        self.supervisor = subprocess.Popen(
            [self.programs / "guildctl", "cluster", "up", "--data", self.data, "--port", str(self._last_port()),
             *self.options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
            # Clusters are many, and pytest keeps their folders: they need no space set aside.
            env={"GUILDHALL_DISK_BALLAST": "0"} | os.environ,
        )
        line = self.supervisor.stdout.readline().decode()
        if not line.startswith("ready: "):
            self.supervisor.kill()
            self.supervisor.wait()
            raise StartFailed(f"the cluster did not start; {self.supervisor_log}:\n{self.supervisor_log.read_text()[-4000:]}")
        return self

    def _last_port(self):
        """A restarted cluster keeps its address, as it does without --port."""
        try:
            return int(self.file["url"].rsplit(":", 1)[1])
        except FileNotFoundError:
            return 0

    @property
    def file(self):
        return json.loads((self.data / "cluster.json").read_text())

    @property
    def url(self):
        return self.file["url"]

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1])

    @property
    def websocket_url(self):
        return self.url.replace("http://", "ws://") + "/gateway"

    def pid(self, name):
        for process in self.file["processes"]:
            if process["name"] == name:
                return process["pid"]
        return None

    def names(self, role):
        return sorted(process["name"] for process in self.file["processes"] if process["role"] == role)

    def log(self, name):
        return (self.data / "log" / f"{name}.log").read_text(errors="replace")

    def kill(self, name, number=signal.SIGKILL):
        pid = self.pid(name)
        assert pid is not None, f"{name} does not run"
        os.kill(pid, number)
        return pid

    def where(self, entity):
        """The guild node that is the primary of an id."""
        return self.guildctl.json("guild", "where", str(entity))["primary"]

    def kill_everything(self):
        """kill -9 of all processes: the supervisor first, so that it starts nothing again."""
        processes = self.file["processes"]
        self.supervisor.kill()
        self.supervisor.wait()
        self.supervisor.stdout.close()
        self.supervisor = None
        for process in processes:
            os.kill(process["pid"], signal.SIGKILL)

    async def until_ready(self, limit=60):
        """Waits until all processes that the supervisor runs are registered and say that they are ready."""
        return await until(self._is_ready, limit, "the cluster to be ready")

    def _is_ready(self):
        status = self.guildctl.run("cluster", "status", "--json", check=False)
        if status.returncode != 0:
            return False
        registered = {node["pid"] for node in json.loads(status.stdout)["nodes"] if says_ready(node)}
        processes = self.file["processes"]
        wanted = 1 + int(self.options[1]) + int(self.options[3])
        return len(processes) == wanted and all(process["pid"] in registered for process in processes)

    async def restarted(self, name, old_pid, limit=60):
        """Waits until the supervisor has started `name` again and it serves; returns its new pid."""
        await until(lambda: self.pid(name) not in (None, old_pid), limit, f"{name} to be started again")
        await self.until_ready(limit)
        return self.pid(name)

    def move_clock(self, offset):
        self.guildctl.run("cluster", "clock", f"--offset={offset}")

    def stop(self):
        """Stops everything gracefully; returns the supervisor's exit code."""
        if self.supervisor is None:
            return None
        processes = self.file["processes"] if (self.data / "cluster.json").exists() else []
        self.supervisor.send_signal(signal.SIGTERM)
        try:
            code = self.supervisor.wait(60)
        except subprocess.TimeoutExpired:
            self.supervisor.kill()
            self.supervisor.wait()
            raise AssertionError(f"the supervisor did not stop; {self.supervisor_log.read_text()[-3000:]}") from None
        finally:
            self.supervisor.stdout.close()
            self.supervisor = None
        for process in processes:
            assert not is_alive(process["pid"], self.data), f"{process['name']} outlived its supervisor"
        return code


def says_ready(node):
    """What the process itself says at its health port."""
    try:
        with urllib.request.urlopen(f"http://{node['host']}:{node['health_port']}/health/ready", timeout=2) as response:
            return response.status == 200
    except OSError:
        return False


def is_alive(pid, data):
    """Whether `pid` is still a process of this data folder."""
    try:
        return str(data).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


async def until(condition, limit, what):
    """Polls `condition`, a plain function or a coroutine function, until it is true; fails after `limit` seconds."""
    deadline = time.monotonic() + limit
    while True:
        result = condition()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return result
        assert time.monotonic() < deadline, f"waited {limit} s for {what}"
        await asyncio.sleep(0.05)
