"""The shape of a cluster: who holds its slots, nodes that join it and die, and operators' commands that change it."""

import json
import os
import pathlib
import signal
import subprocess
import time

from cluster import ROOT, say

PROGRAMS = ROOT / ".build/release"


def until(condition, seconds, what):
    """Looks four times a second; what the condition returned. Raises after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not after {seconds} s")
        time.sleep(0.25)
    return found


def slot_of(identifier):
    return int(identifier) >> 12 & 0x3ff


class Shape:
    """One cluster's."""

    def __init__(self, cluster):
        self.cluster = cluster

    def rows(self):
        return {row["slot"]: row for row in self.cluster.admin("GET", "/shards")["shards"]}

    def primaries(self):
        return {slot: row["primary"] for slot, row in self.rows().items()}

    def holders(self, slot):
        """The nodes that hold it or are to."""
        row = self.rows()[slot]
        return {*row["in_sync"], *row["learners"], *row["eligible"]}

    def guild_nodes(self):
        return sorted(set(self.primaries().values()))

    def counts(self, node):
        """The slots that a node is primary of, and those that it holds another copy of."""
        rows = self.rows().values()
        return (sum(row["primary"] == node for row in rows),
                sum(row["primary"] != node and node in row["in_sync"] for row in rows))

    def is_whole(self, factor):
        """Whether every slot has all its copies in sync, and none is on its way."""
        return all(len(row["in_sync"]) == factor and not row["learners"] and not row["eligible"] and not row["target"]
                   for row in self.rows().values())

    def until_whole(self, factor, seconds=600):
        until(lambda: self.is_whole(factor), seconds, f"all slots to have {factor} copies in sync")

    def stored_bytes(self):
        """Bytes that each slot stores, as the nodes have told last."""
        hot = self.cluster.admin("GET", "/top?count=1024")["slots"]
        return {slot["slot"]: int(slot["stored_bytes"]) for slot in hot}

    def guildctl(self, *arguments, seconds=7200):
        """Runs a command to its end; its JSON."""
        done = subprocess.run(
            [str(PROGRAMS / "guildctl"), *arguments, "--json", "--data", str(self.cluster.data)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds)
        if done.returncode != 0:
            raise RuntimeError(f"guildctl {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def guild_on(self, node, channels=1):
        """A new guild whose slot has that primary: its id and those of its channels."""
        primaries = self.primaries()
        while True:
            guild, ids = self.cluster.guild_with_channels(channels)
            if primaries[slot_of(guild)] == node:
                return guild, ids


class JoiningNode:
    """A guild node beside those that the supervisor keeps: a machine that joins the cluster."""

    def __init__(self, cluster, folder, name):
        self._cluster = cluster
        self.name = name
        self._folder = pathlib.Path(folder) / name
        self.log = cluster.data / "log" / f"{name}.log"
        self._process = None

    def __enter__(self):
        self._folder.mkdir()
        text = (self._cluster.data / "config/guild-1.yaml").read_text()
        text = text.replace(str(self._cluster.data / "guild-1"), str(self._folder / "store"))
        settings = self._folder / "node.yaml"
        settings.write_text(text.replace('"guild-1"', f'"{self.name}"'))
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen([str(PROGRAMS / "guildhall-node"), "--config", str(settings)],
                                             stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self._is_registered, 60, f"{self.name} to register; its log is {self.log}")
        return self

    def __exit__(self, *_):
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self):
        return self._process.pid

    def _is_registered(self):
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.name} ended: {self.log.read_text()[-2000:]}")
        return any(node["pid"] == self.pid for node in self._cluster.admin("GET", "/nodes")["nodes"])


class LostNode:
    """A guild node of the supervisor's that is killed, and cannot be started again until it is let back."""

    def __init__(self, cluster, name):
        self._cluster = cluster
        self.name = name
        self._settings = cluster.data / "config" / f"{name}.yaml"
        self._kept = self._settings.read_text()

    def kill(self):
        """kill -9; the CLOCK_MONOTONIC times in nanoseconds of the signal, and when the process was gone."""
        pid = self._pid()
        self._settings.write_text("node: [no settings")
        descriptor = os.pidfd_open(pid)
        try:
            killed = time.monotonic_ns()
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            while pathlib.Path(f"/proc/{pid}/stat").exists() and not _is_dead(pid):
                time.sleep(0.001)
            return killed, time.monotonic_ns()
        finally:
            os.close(descriptor)

    def let_back(self):
        """The supervisor's next attempt starts it; returns when the process has registered."""
        self._settings.write_text(self._kept)
        until(self._is_registered, 120, f"{self.name} to run again")

    def _pid(self):
        facts = json.loads((self._cluster.data / "cluster.json").read_text())
        return next((process["pid"] for process in facts["processes"] if process["name"] == self.name), None)

    def _is_registered(self):
        pid = self._pid()
        return any(node["pid"] == pid for node in self._cluster.admin("GET", "/nodes")["nodes"])


def _is_dead(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def say_load(what):
    """Figures hang on what else runs: each says the machine's load beside it."""
    say(f"{what}; load average {os.getloadavg()[0]:.1f}")
