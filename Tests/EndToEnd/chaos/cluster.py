"""The cluster under test: one process a host, from the programs as they were built, and the way to its API."""

import asyncio
import errno
import json
import os
import secrets
import shutil
import signal
import socket
import time
from pathlib import Path

import aiohttp

from chaos import etcd
from chaos.certificates import Authority
from chaos.hosts import run
from chaos.processes import Process
from chaos.scene import DISK_MEGABYTES

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
START_LIMIT = 120


class Cluster:
    def __init__(self, network, folder, programs, *, guild_nodes, gateway_nodes, coordinator, log_level="info"):
        self.network = network
        self.folder = Path(folder)
        self.programs = Path(programs)
        self.coordinator = coordinator
        self.log_level = log_level
        self.guilds = [f"guild-{number + 1}" for number in range(guild_nodes)]
        self.gateways = [f"gateway-{number + 1}" for number in range(gateway_nodes)]
        self.members = [f"etcd-{number + 1}" for number in range(3)] if coordinator == "etcd" else []
        self.router = "router-1"
        # One guild node has a disk of its own, and one a clock of its own.
        self.small_disk = self.guilds[-1] if network.has_network else None
        self.own_clock = self.guilds[0] if FAKETIME.exists() else None
        # Whether each slot had more than one replica in sync at the start.
        self.is_replicated = False
        # The guild node whose disk was emptied last.
        self.last_wiped = None
        self.processes = {}
        self.ports = {}
        self.begun = time.monotonic()
        self.http = None

    @property
    def names(self):
        return [*self.members, self.router, *self.guilds, *self.gateways]

    def clock(self):
        """Seconds since the run began."""
        return time.monotonic() - self.begun

    def host(self, name):
        return self.network.hosts[name]

    @property
    def url(self):
        return f"http://{self.host(self.router).address}:{self.ports[self.router, 'http']}"

    @property
    def websocket_url(self):
        return self.url.replace("http://", "ws://") + "/gateway"

    @property
    def clock_file(self):
        return self.folder / "clock-of-one-process"

    # MARK: Life

    async def start(self):
        for part in ("log", "config", "data"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        await self.network.start(self.names)
        for name in self.names:
            for use in ("listen", "health", "http", "gateway", "peer"):
                self.ports[name, use] = self._port(use)
        self.authority = Authority(self.folder / "tls") if self.network.has_network else None
        if self.authority:
            await self.authority.make()
        self.admin_token = secrets.token_urlsafe(32)
        self.token_file = self.folder / "admin-token"
        self.token_file.write_text(self.admin_token + "\n")
        self.token_file.chmod(0o600)
        self.clock_file.write_text("+0\n")
        if self.small_disk:
            disk = self.data(self.small_disk)
            disk.mkdir()
            await run("mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "chaos", str(disk))
        self.http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        for name in self.names:
            self.processes[name] = await self._process(name)
            self.processes[name].start()
        await self.until_ready(START_LIMIT)

    def _port(self, use):
        if self.network.has_network:
            return {"listen": 7000, "health": 7001, "http": 8080, "gateway": 7002, "peer": 7003}[use]
        with socket.create_server(("127.0.0.1", 0)) as server:
            return server.getsockname()[1]

    def data(self, name):
        return self.folder / "data" / name

    def log(self, name):
        return self.folder / "log" / f"{name}.log"

    async def _process(self, name):
        if name in self.members:
            self.data(name).mkdir(exist_ok=True)
            return Process(name, "etcd", self.host(name), etcd.member_command(self, name), log=self.log(name),
                           clock=self.clock)
        role = name.rsplit("-", 1)[0]
        file = self.folder / "config" / f"{name}.yaml"
        settings = await self._settings(name, role)
        file.write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in settings.items()))
        program = "guildhall-router" if role == "router" else "guildhall-node"
        command, environment = [self.programs / program, "--config", file], {}
        if name == self.own_clock:
            # libfaketime sets a variable at its first load, and a program that finds its arguments beside its
            # environment, as Swift's do, then finds none: so the first to load it is `env`.
            command.insert(0, "/usr/bin/env")
            environment = {
                "LD_PRELOAD": f"{await self._timers()}:{FAKETIME}", "FAKETIME_TIMESTAMP_FILE": str(self.clock_file),
                "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_CACHE_DURATION": "1",
            }
        return Process(name, role, self.host(name), command, log=self.log(name), clock=self.clock,
                       environment=environment)

    async def _timers(self):
        """What corrects libfaketime, compiled."""
        library = self.folder / "timers.so"
        await run("cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(Path(__file__).with_name("timers.c")))
        return library

    async def _settings(self, name, role):
        address = self.host(name).address
        settings = {
            "node.id": name, "data": str(self.data(name)), "log.level": self.log_level, "listen.host": address,
            "listen.port": str(self.ports[name, "listen"]), "health.host": address,
            "health.port": str(self.ports[name, "health"]),
        }
        if self.network.has_network:
            settings |= {"node.machine": name, **await self.authority.issue(name)}
        if role == "router":
            settings |= {
                "http.host": address, "http.port": str(self.ports[name, "http"]),
                "admin.token-file": str(self.token_file), "cluster.expected-guild-nodes": str(len(self.guilds)),
            }
        else:
            settings["node.roles"] = role
        if role == "gateway":
            settings |= {
                "gateway.host": address, "gateway.port": str(self.ports[name, "gateway"]),
                "gateway.socket": str(self.folder / f"{name}.sock"),
            }
        return settings | self._coordinator_settings(role)

    def _coordinator_settings(self, role):
        if self.coordinator == "etcd":
            return etcd.settings(self)
        if role == "router":
            return {}
        return {"cluster.coordinator": f"{self.host(self.router).address}:{self.ports[self.router, 'listen']}"}

    async def stop(self):
        """Stops everything in the order of dependence; returns the names of those that did not stop in time."""
        slow = []
        for names in (self.gateways, [self.router] if self.coordinator == "etcd" else [], self.guilds,
                      [self.router], self.members):
            present = [self.processes[name] for name in names if name in self.processes]
            graceful = await asyncio.gather(*(process.finish() for process in present))
            slow += [process.name for process, was in zip(present, graceful) if not was]
        if self.http is not None:
            await self.http.close()
        if self.own_clock in self.processes:
            for pid in self.processes[self.own_clock].pids:
                # What libfaketime leaves behind when its process is killed.
                for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
                    (Path("/dev/shm") / name).unlink(missing_ok=True)
        await self.network.stop()
        return slow

    # MARK: What faults change

    def set_clock(self, seconds):
        """The clock of the one process that has its own, against the machine's; it looks once a second."""
        draft = self.clock_file.with_suffix(".new")
        draft.write_text(f"{seconds:+}\n")
        draft.rename(self.clock_file)

    def fill_disk(self, left):
        """Fills the small disk until `left` bytes are free."""
        with open(self.data(self.small_disk) / "filler", "ab", buffering=0) as filler:
            while (free := self._free_bytes()) > left:
                try:
                    if filler.write(bytes(min(free - left, 1 << 20))) == 0:
                        return
                except OSError as problem:
                    if problem.errno != errno.ENOSPC:
                        raise
                    return

    def free_disk(self):
        (self.data(self.small_disk) / "filler").unlink(missing_ok=True)

    def wipe(self, name):
        """Deletes what a node that does not run has on its disk."""
        self.last_wiped = name
        shutil.rmtree(self.data(name))

    async def heal(self):
        """Takes away whatever faults change; what runs is not waited for."""
        self.set_clock(0)
        if self.small_disk:
            self.free_disk()
        if self.network.has_network:
            await self.network.heal()
        for process in self.processes.values():
            process.signal(signal.SIGCONT)
            process.start()

    def _free_bytes(self):
        now = os.statvfs(self.data(self.small_disk))
        return now.f_bavail * now.f_frsize

    # MARK: Questions

    async def is_ready(self, name):
        is_etcd = name in self.members
        use, path = ("listen", "/health") if is_etcd else ("health", "/health/ready")
        try:
            url = f"http://{self.host(name).address}:{self.ports[name, use]}{path}"
            async with self.http.get(url, timeout=aiohttp.ClientTimeout(total=2)) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def until_ready(self, limit):
        """Waits until every process runs and says that it is ready; raises with the names of those that do not."""
        deadline = time.monotonic() + limit
        while True:
            ready = await asyncio.gather(*map(self.is_ready, self.names))
            missing = [name for name, is_ready in zip(self.names, ready) if not is_ready]
            if not missing:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"not ready after {limit} s: {', '.join(missing)}; logs in {self.folder / 'log'}")
            await asyncio.sleep(0.1)

    async def admin(self, method, path, body=None):
        """The operators' API; raises unless it answers with success."""
        headers = {"Authorization": f"Bearer {self.admin_token}"}
        async with self.http.request(method, f"{self.url}/admin/v1{path}", json=body, headers=headers) as response:
            text = await response.text()
            if response.status >= 300:
                raise RuntimeError(f"{method} {path}: {response.status} {text[:300]}")
            return json.loads(text) if text else None

    async def guildctl(self, *arguments):
        return await run(
            str(self.programs / "guildctl"), *arguments, "--endpoint", self.url, "--token-file", str(self.token_file))

    async def guildctl_help(self, *command):
        """What guildctl says of a command that it may not have."""
        return await run(str(self.programs / "guildctl"), *command, "--help")
