"""A TCP proxy that a test cuts: both directions end at once, as when a cable is pulled."""

import asyncio


class CuttingProxy:
    def __init__(self, host, port):
        self.target = (host, port)
        self.connections = set()
        self.accepted = 0

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()
        self.cut()

    def cut(self):
        """Resets every connection that goes through now; returns how many."""
        cut = list(self.connections)
        for writer in cut:
            writer.transport.abort()
        return len(cut) // 2

    async def _serve(self, reader, writer):
        self.accepted += 1
        try:
            up_reader, up_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, up_writer)
        self.connections.update(pair)
        try:
            await asyncio.gather(self._pump(reader, up_writer), self._pump(up_reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.connections.difference_update(pair)
            for side in pair:
                side.transport.abort()

    @staticmethod
    async def _pump(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
