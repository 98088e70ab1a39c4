"""A cluster of two versions: half of its guild nodes and gateways speak the protocol's older version only.

They are processes of this build that are told to (`--protocol-max`), or processes of an older build.
"""

import asyncio

from chaos.cluster import Cluster
from chaos.hosts import Loopback

OLDER_VERSION = "1"


class MixedCluster(Cluster):
    def __init__(self, folder, programs, *, old_programs=None, guild_nodes=4, gateway_nodes=2, is_router_old=False):
        super().__init__(
            Loopback(), folder, programs, guild_nodes=guild_nodes, gateway_nodes=gateway_nodes, coordinator="embedded")
        self.old_programs = old_programs
        self.own_clock = None
        self.old = {*self.guilds[1::2], *self.gateways[1::2]}
        if is_router_old:
            self.old.add(self.router)

    async def _process(self, name):
        new = self.programs
        if name in self.old and self.old_programs:
            self.programs = self.old_programs
        try:
            process = await super()._process(name)
        finally:
            self.programs = new
        if name in self.old and not self.old_programs:
            process.command += ["--protocol-max", OLDER_VERSION]
        return process

    async def replace(self, name, *, is_old):
        """Stops the process, and starts it in the other version with the same data."""
        assert await self.processes[name].finish(), f"{name} did not stop by itself"
        (self.old.add if is_old else self.old.discard)(name)
        self.processes[name] = await self._process(name)
        self.processes[name].start()
        await self.until_ready(60)

    async def holders(self):
        """Of each slot, the nodes that hold it."""
        rows = (await self.admin("GET", "/shards"))["shards"]
        return [{row["primary"], *row["in_sync"], *row.get("learners", [])} for row in rows]

    async def where(self, entity):
        """The guild node that is the primary of an id."""
        rows = (await self.admin("GET", "/shards"))["shards"]
        slot = int(entity) >> 12 & 0x3FF
        return next(row["primary"] for row in rows if row["slot"] == slot)

    async def metric(self, name, of):
        """The sum of a metric over the processes that have it."""
        async def values(process):
            url = f"http://127.0.0.1:{self.ports[process, 'health']}/metrics"
            async with self.http.get(url) as response:
                lines = (await response.text()).splitlines()
            return [float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name]

        return sum(sum(found) for found in await asyncio.gather(*map(values, of)))
