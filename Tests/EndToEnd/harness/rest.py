"""A client for the REST API that shows every response to the conformance checks."""

import asyncio
import json
from urllib.parse import urlencode

import aiohttp

API = "/api/v10"


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """Discord's error code."""
        return self.json["code"]

    def error_fields(self):
        """The fields that the nested errors name, as dotted paths."""
        found = []

        def walk(node, path):
            for key, value in node.items():
                if key == "_errors":
                    found.append(".".join(path))
                elif isinstance(value, dict):
                    walk(value, [*path, key])

        walk(self.json.get("errors", {}), [])
        return found


class Rest:
    """One account's view of the API. Use `as_user` and `as_bot` for others on the same connections."""

    def __init__(self, url, conformance, token=None, session=None):
        self.url = url
        self.conformance = conformance
        self.token = token
        self.session = session or aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=30), connector=aiohttp.TCPConnector(limit=256)
        )

    def with_token(self, token):
        return Rest(self.url, self.conformance, token, self.session)

    async def close(self):
        await self.session.close()

    async def call(self, method, path, *, json_body=None, data=None, headers=None, expect=None, query=None):
        """Sends a request; waits out a 429. `expect`: the status or statuses that are right here."""
        path = f"{API}{path}" if not path.startswith("/api/") else path
        if query:
            path += "?" + urlencode(query)
        sent = dict(headers or {})
        if self.token and "Authorization" not in sent:
            sent["Authorization"] = self.token
        if json_body is not None:
            data = json.dumps(json_body).encode()
            sent.setdefault("Content-Type", "application/json")
        for _ in range(20):
            async with self.session.request(method, self.url + path, data=data, headers=sent) as response:
                body = await response.read()
                answer = Response(response.status, response.headers, body)
            self.conformance.check(method, path, answer.status, answer.headers.get("Content-Type"), body)
            if answer.status != 429:
                break
            await asyncio.sleep(min(answer.json["retry_after"], 10))
        if expect is not None:
            statuses = expect if isinstance(expect, tuple) else (expect,)
            assert answer.status in statuses, f"{method} {path}: {answer.status} {body[:800]!r}"
        return answer

    async def get(self, path, expect=200, **options):
        return await self.call("GET", path, expect=expect, **options)

    async def post(self, path, body=None, expect=200, **options):
        return await self.call("POST", path, json_body=body, expect=expect, **options)

    async def patch(self, path, body=None, expect=200, **options):
        return await self.call("PATCH", path, json_body=body, expect=expect, **options)

    async def put(self, path, body=None, expect=204, **options):
        return await self.call("PUT", path, json_body=body, expect=expect, **options)

    async def delete(self, path, expect=204, **options):
        return await self.call("DELETE", path, expect=expect, **options)
