"""A reverse proxy between a foreign library and the router that shows each REST response to the conformance checks.

The library stays as it came from PyPI; it only gets another base URL. WebSockets do not come through here.
"""

import asyncio
import json

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, web

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "upgrade"}


class RecordingProxy:
    """`gateway_url`: stands in the answer of GET /gateway/bot in place of the router's, so that a test can cut that line."""

    def __init__(self, target, conformance, gateway_url=None):
        self.target = target
        self.gateway_url = gateway_url
        self.conformance = conformance
        self.url = None
        # (method, path, status) of what went through, for the tests to look at.
        self.seen = []
        self.faults = []
        self.under_way = 0

    async def idle(self, limit=20):
        """Waits until every request that came has its answer."""
        async with asyncio.timeout(limit):
            while self.under_way:
                await asyncio.sleep(0.02)

    async def __aenter__(self):
        self.session = ClientSession(
            auto_decompress=False, timeout=ClientTimeout(total=60), cookie_jar=DummyCookieJar()
        )
        application = web.Application(client_max_size=32 << 20)
        application.router.add_route("*", "/{path:.*}", self._forward)
        self.runner = web.AppRunner(application, access_log=None)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        port = self.runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_):
        await self.runner.cleanup()
        await self.session.close()

    async def _forward(self, request):
        self.under_way += 1
        try:
            return await self._answer(request)
        finally:
            self.under_way -= 1

    async def _answer(self, request):
        body = await request.read()
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP]
        async with self.session.request(
            request.method, self.target + request.raw_path, headers=headers, data=body or None,
            skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"), allow_redirects=False,
        ) as response:
            answer = await response.read()
            self.seen.append((request.method, request.raw_path, response.status))
            try:
                self.conformance.check(
                    request.method, request.raw_path, response.status, response.headers.get("Content-Type"), answer
                )
            except AssertionError as fault:
                # The library gets its answer all the same; the test looks here.
                self.faults.append(str(fault))
            if self.gateway_url and request.path.endswith("/gateway/bot") and response.status == 200:
                answer = json.dumps({**json.loads(answer), "url": self.gateway_url}).encode()
            kept = [(name, value) for name, value in response.headers.items() if name.lower() not in HOP_BY_HOP]
            result = web.Response(status=response.status, body=answer)
            result.headers.clear()
            result.headers.extend(kept)
            return result
