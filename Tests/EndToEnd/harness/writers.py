"""Writers that keep an account of every message they send (see `acknowledged`)."""

import asyncio

import aiohttp

from harness.acknowledged import Writer

# These say that nothing was done: the router answered before, or instead of, the owner of the data.
CERTAIN_REFUSALS = {400, 401, 403, 404, 405, 413, 429}


class Load:
    """Some writers on some channels, each with one message in flight at a time."""

    def __init__(self, account, channels, writers_a_channel, label):
        self.account = account
        self.channels = channels
        self.stopping = False
        self.writers = {}
        self.tasks = []
        for channel in channels:
            self.writers[channel["id"]] = [
                Writer(f"{label} {channel['id']} {number}") for number in range(writers_a_channel)
            ]

    def start(self):
        for identifier, writers in self.writers.items():
            self.tasks += [asyncio.create_task(self._write(identifier, writer)) for writer in writers]

    async def _write(self, channel_id, writer):
        number = 0
        while not self.stopping:
            number += 1
            content = f"{writer.name} {number}"
            try:
                answer = await self.account.rest.call(
                    "POST", f"/channels/{channel_id}/messages", json_body={"content": content}
                )
            except (aiohttp.ClientError, TimeoutError):
                writer.unknown.add(content)
                continue
            if answer.status == 200:
                writer.acknowledged[content] = answer.json["id"]
            elif answer.status in CERTAIN_REFUSALS:
                writer.refused.add(content)
            else:
                writer.unknown.add(content)

    def acknowledged(self):
        return {writer.name: len(writer.acknowledged) for writers in self.writers.values() for writer in writers}

    async def progress(self, count, limit=60):
        """Waits until every writer has had `count` more messages acknowledged."""
        start = self.acknowledged()
        async with asyncio.timeout(limit):
            while any(now - start[name] < count for name, now in self.acknowledged().items()):
                for task in self.tasks:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.02)

    async def stop(self):
        self.stopping = True
        await asyncio.gather(*self.tasks)


async def whole_history(account, channel_id):
    """(id, content) of every message of a channel, oldest first."""
    found, anchor = [], None
    while True:
        query = {"limit": 100} | ({"before": anchor} if anchor else {})
        page = (await account.rest.get(f"/channels/{channel_id}/messages", query=query)).json
        found += [(message["id"], message["content"]) for message in page]
        if len(page) < 100:
            return found[::-1]
        anchor = page[-1]["id"]
