"""A proxy before a teacher that does to requests what networks and servers do, and counts what comes of it.

Faults (a request suffers the next of the plan, and none once the plan is used up):

    429         Too Many Requests with Retry-After, and the teacher never hears of it
    500         Internal Server Error, likewise
    refused     401 Unauthorized, likewise
    silence     the teacher replies, and the client waits in vain
    cut         the teacher replies, and half of the response arrives before the connection closes
    reset       the teacher replies, and the connection is reset
    truncated   the reply's JSON is cut in the middle
    schema      the reply is JSON of another schema
    None        nothing

The teacher's reply to a content is remembered, as if it always were the same: a model on a CPU takes seconds for one.
"""

import asyncio
import json
import logging
from collections import Counter
from dataclasses import dataclass, field

from aiohttp import ClientSession, web

logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # what it says of connections that are cut on purpose


@dataclass
class Tally:
    """What passed through.

    Attributes:
        requests: from the client, in all.
        computed: requests that the teacher replied to, each of which it would charge for.
        tokens: that these took.
        good: replies that were handed on whole, by content.
        again: requests for a content that a good reply had been handed on for: paid twice.
        at_once: the most requests under way at a time.
        times: when each request came, by content, on the loop's clock.
    """

    requests: int = 0
    computed: int = 0
    tokens: int = 0
    again: int = 0
    at_once: int = 0
    good: Counter = field(default_factory=Counter)
    times: dict[str, list[float]] = field(default_factory=dict)


class Proxy:
    """The proxy, and what passed through it.

    Args:
        upstream: the teacher's address.
        plan: of faults.
        known: replies by content, which proxies may share.
        wait: seconds of silence.
        retry_after: seconds to ask for with a 429.
    """

    def __init__(
        self, upstream: str, plan: list[str | None], known: dict[str, str], wait: float = 0.3, retry_after: float = 1
    ):
        self.upstream, self.plan, self.known = upstream, list(plan), known
        self.wait, self.retry_after, self.delay = wait, retry_after, 0.0  # delay: seconds that every reply takes
        self.tally, self.under_way = Tally(), 0

    def application(self) -> web.Application:
        served = web.Application()
        served.router.add_post("/v1/chat/completions", self._count)
        return served

    async def _count(self, request: web.Request) -> web.StreamResponse:
        tally, body = self.tally, await request.read()
        content = body.decode()
        tally.requests += 1
        tally.again += content in tally.good
        tally.times.setdefault(content, []).append(asyncio.get_running_loop().time())
        self.under_way += 1
        tally.at_once = max(tally.at_once, self.under_way)
        try:
            return await self._pass(request, content, self.plan.pop(0) if self.plan else None)
        finally:
            self.under_way -= 1

    async def _pass(self, request: web.Request, content: str, fault: str | None) -> web.StreamResponse:
        if fault == "429":
            return web.json_response({}, status=429, headers={"Retry-After": f"{self.retry_after:g}"})
        if fault in ("500", "refused"):
            return web.json_response({}, status=500 if fault == "500" else 401)
        if content not in self.known:
            self.known[content] = await self._ask(content)
        reply = json.loads(self.known[content])
        await asyncio.sleep(self.delay)
        self.tally.computed += 1
        self.tally.tokens += reply["usage"]["total_tokens"]
        message = reply["choices"][0]["message"]
        if fault == "silence":
            await asyncio.sleep(self.wait)
        if fault in ("reset", "silence"):
            request.transport.abort()
            return web.Response()
        if fault == "truncated":
            message["content"] = message["content"][: len(message["content"]) // 2]
        if fault == "schema":
            message["content"] = json.dumps({"verdict": "good", "rigor": 11})
        text = json.dumps(reply).encode()
        if fault == "cut":
            half = web.StreamResponse(headers={"Content-Length": str(len(text)), "Content-Type": "application/json"})
            await half.prepare(request)
            await half.write(text[: len(text) // 2])
            request.transport.close()
            return half
        if fault is None:
            self.tally.good[content] += 1
        return web.Response(body=text, content_type="application/json")

    async def _ask(self, content: str) -> str:
        where, headers = f"{self.upstream}/v1/chat/completions", {"Content-Type": "application/json"}
        async with ClientSession() as session, session.post(where, data=content.encode(), headers=headers) as response:
            return await response.text()
