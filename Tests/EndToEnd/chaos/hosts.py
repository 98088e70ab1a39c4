"""The machines of a run: network namespaces joined by a bridge, or, where they are not permitted, this machine alone.

Of each host the network keeps what impairs it, by fault, and renders all of it anew at each change: a host's nft
ruleset is replaced as a whole, in one transaction, so that no rule of a fault that has ended can stay.
"""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

COMMAND_LIMIT = 20
SUBNET = "10.77.0"


async def run(*command, text=None):
    """Runs a command to its end; raises with what it said when it fails."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE if text is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    try:
        async with asyncio.timeout(COMMAND_LIMIT):
            said, _ = await process.communicate(text.encode() if text is not None else None)
    except TimeoutError:
        process.kill()
        raise RuntimeError(f"{' '.join(command)}: not done after {COMMAND_LIMIT} s") from None
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {process.returncode}: {said.decode(errors='replace').strip()}")
    return said.decode(errors="replace")


@dataclass
class Host:
    name: str
    address: str
    # The process that holds the network namespace; None on loopback.
    holder: subprocess.Popen | None = None
    # Fault -> lines of the nft chain "arriving".
    rules: dict[object, list[str]] = field(default_factory=dict)

    def inside(self, *command):
        """The command as it runs on this host."""
        if self.holder is None:
            return list(command)
        return ["nsenter", f"--net={self.network_path}", "--", *command]

    @property
    def network_path(self):
        return f"/proc/{self.holder.pid}/ns/net"


class Loopback:
    """No hosts of their own: every process listens on 127.0.0.1, and there is no network to break."""

    has_network = False

    def __init__(self):
        self.hosts = {}

    async def start(self, names):
        for name in names:
            self.hosts[name] = Host(name, "127.0.0.1")

    async def stop(self):
        pass


class Namespaces:
    """Hosts in network namespaces, each with one address; the calling process is the host "client".

    Two ways lead from host to host: the bridge, and a TUN device each whose packets the link process carries. A pair
    of hosts goes by the link while something delays its packets, and by the bridge else.
    """

    has_network = True

    def __init__(self):
        self.hosts = {}
        self.link = None
        # Pair of addresses (from, to) -> fault -> how the link treats the packets.
        self.ways = {}

    async def start(self, names):
        switch = self._hold()
        self.switch = f"/proc/{switch.pid}/ns/net"
        await run("nsenter", f"--net={self.switch}", "ip", "link", "add", "switch", "type", "bridge")
        await run("nsenter", f"--net={self.switch}", "ip", "link", "set", "switch", "up")
        # The client's host is the namespace that the run is in already.
        await self._join(Host("client", f"{SUBNET}.1"), own="/proc/self/ns/net")
        for number, name in enumerate(names):
            host = Host(name, f"{SUBNET}.{10 + number}", holder=self._hold())
            await self._join(host, own=host.network_path)
            self.hosts[name] = host
        await self._start_link()

    @staticmethod
    def _hold():
        """A process that does nothing but keep a network namespace; it dies with the run."""
        program = (
            "import chaos.isolation as i, sys, time\ni.die_with_parent()\ni.own_network()\n"
            "print('held', flush=True)\nsys.stdin.read()\n")
        holder = subprocess.Popen(
            [sys.executable, "-c", program], cwd=Path(__file__).parents[1], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        if holder.stdout.readline() != b"held\n":
            raise RuntimeError("a network namespace could not be made")
        return holder

    async def _join(self, host, own):
        far = f"to-{host.address.rsplit('.', 1)[1]}"
        await run("nsenter", f"--net={self.switch}", "ip", "link", "add", far, "type", "veth", "peer", "name", "wire",
                  "netns", str(host.holder.pid) if host.holder else str(os.getpid()))
        await run("nsenter", f"--net={self.switch}", "ip", "link", "set", far, "master", "switch", "up")
        inside = host.inside if host.holder else lambda *command: list(command)
        await run(*inside("ip", "link", "set", "lo", "up"))
        await run(*inside("ip", "address", "add", f"{host.address}/24", "dev", "wire"))
        await run(*inside("ip", "link", "set", "wire", "up"))

    async def _start_link(self):
        places = {host.address: host.network_path for host in self.hosts.values()}
        self.link = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "chaos.link", json.dumps(places), cwd=Path(__file__).parents[1],
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(COMMAND_LIMIT):
            if await self.link.stdout.readline() != b"ready\n":
                raise RuntimeError("the link process did not start")

    async def stop(self):
        """Ends what holds the namespaces; the kernel removes them, and the links and rules in them."""
        if self.link is not None and self.link.returncode is None:
            self.link.kill()
            await self.link.wait()
        for host in self.hosts.values():
            host.holder.kill()
            host.holder.wait()

    async def set_rules(self, fault, host, lines):
        """Makes `lines` the nft rules that `fault` has at what arrives at `host`; none: takes them away."""
        if lines:
            host.rules[fault] = lines
        else:
            host.rules.pop(fault, None)
        rules = "\n".join(line for lines in host.rules.values() for line in lines)
        await run(*host.inside("nft", "-f", "-"), text=(
            "table inet faults\ndelete table inet faults\ntable inet faults {\n"
            f"chain arriving {{ type filter hook input priority 0; policy accept;\n{rules}\n}}\n}}\n"))

    async def set_rate(self, host, kilobits):
        """Bounds what leaves `host`; None: takes the bound away."""
        if kilobits is None:
            await run(*host.inside("tc", "qdisc", "del", "dev", "wire", "root"))
        else:
            await run(*host.inside(
                "tc", "qdisc", "replace", "dev", "wire", "root", "tbf", "rate", f"{kilobits}kbit", "burst", "32kb",
                "latency", "300ms"))

    async def set_way(self, fault, source, target, treatment):
        """Makes the link treat packets from `source` to `target` so (and answers go by the link too); None: undoes."""
        pair = (source.address, target.address)
        faults = self.ways.setdefault(pair, {})
        if treatment is None:
            faults.pop(fault, None)
        else:
            faults[fault] = treatment
        # The newest fault's treatment counts; without one the packets pass untouched.
        now = list(faults.values())[-1] if faults else {}
        self.link.stdin.write(json.dumps({"from": pair[0], "to": pair[1], **now}).encode() + b"\n")
        await self.link.stdin.drain()
        by_link = any(self.ways.get(way) for way in (pair, pair[::-1]))
        for host, peer in ((source, target), (target, source)):
            await run(*host.inside(
                "ip", "route", "replace", f"{peer.address}/32", "dev", "tunnel" if by_link else "wire", "src",
                host.address))

    async def heal(self):
        """Takes away whatever impairs the network, also what a fault that failed left behind."""
        for pair, faults in self.ways.items():
            for fault in list(faults):
                await self.set_way(fault, self._at(pair[0]), self._at(pair[1]), None)
        for host in self.hosts.values():
            if host.rules:
                host.rules.clear()
                await self.set_rules(None, host, [])
            if "tbf" in await run(*host.inside("tc", "qdisc", "show", "dev", "wire")):
                await self.set_rate(host, None)

    def _at(self, address):
        return next(host for host in self.hosts.values() if host.address == address)
