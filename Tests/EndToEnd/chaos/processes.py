"""One process of the cluster: started, kept running as a service manager would, signalled by its pid."""

import asyncio
import os
import signal
import time
from dataclasses import dataclass

from chaos.isolation import die_with_parent

# A service manager's pause before it starts again what has ended by itself.
RESTART_DELAY = 1.0
STOP_LIMIT = 30
# Debian's librocksdb 7.8 is built with assertions, and a background write that fails on a full disk meets one. The process
# ends then as it does by itself after a failed write.
FULL_DISK_ABORT = b"Assertion `sync_without_flush_called_' failed"


@dataclass(frozen=True)
class Ending:
    """A process that ended although nobody stopped or killed it."""

    process: str
    time: float
    code: int
    is_by_full_disk: bool = False

    @property
    def is_crash(self):
        """A signal that the program brought on itself."""
        return self.code < 0 and not self.is_by_full_disk

    def __str__(self):
        how = f"signal {-self.code} ({signal.strsignal(-self.code)})" if self.code < 0 else f"code {self.code}"
        why = ", by RocksDB on a full disk" if self.is_by_full_disk else ""
        return f"{self.process} ended by itself at {self.time:.1f} s with {how}{why}"


class Process:
    def __init__(self, name, role, host, command, *, log, clock, environment=None):
        self.name = name
        self.role = role
        self.host = host
        self.command = host.inside(*map(str, command))
        self.log = log
        self.environment = environment or {}
        self.clock = clock
        self.endings = []
        # Of every start.
        self.pids = []
        # While this is not set, an ended process stays down.
        self.wanted = asyncio.Event()
        self.process = None
        self.keeper = None
        self._expects_end = False

    @property
    def pid(self):
        return self.process.pid if self.is_running else None

    @property
    def is_running(self):
        return self.process is not None and self.process.returncode is None

    def start(self):
        self.wanted.set()
        if self.keeper is None:
            self.keeper = asyncio.create_task(self._keep(), name=f"keeper of {self.name}")

    async def _keep(self):
        while True:
            await self.wanted.wait()
            self._expects_end = False
            with open(self.log, "ab") as log:
                begin = log.tell()
                self.process = await asyncio.create_subprocess_exec(
                    *self.command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                    env={**os.environ, **self.environment}, preexec_fn=die_with_parent, start_new_session=True)
            self.pids.append(self.process.pid)
            code = await self.process.wait()
            if not self._expects_end:
                self.endings.append(Ending(self.name, self.clock(), code, self._has_said(FULL_DISK_ABORT, begin)))
                await asyncio.sleep(RESTART_DELAY)

    def _has_said(self, text, begin):
        with open(self.log, "rb") as log:
            log.seek(begin)
            return text in log.read()

    def signal(self, number):
        """Sends a signal, if the process runs."""
        if self.is_running:
            self.process.send_signal(number)

    async def kill(self):
        """kill -9; the process stays down until `start`."""
        await self._end(signal.SIGKILL)

    async def stop(self, limit=STOP_LIMIT):
        """SIGTERM, and SIGKILL after `limit` seconds; returns whether the first was enough."""
        self.signal(signal.SIGCONT)
        begun = time.monotonic()
        await self._end(signal.SIGTERM, limit)
        return time.monotonic() - begun < limit

    async def _end(self, number, limit=None):
        self.wanted.clear()
        if not self.is_running:
            return
        self._expects_end = True
        self.process.send_signal(number)
        try:
            async with asyncio.timeout(limit):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    async def finish(self, limit=STOP_LIMIT):
        """Stops it for good."""
        graceful = await self.stop(limit)
        if self.keeper is not None:
            self.keeper.cancel()
        return graceful
