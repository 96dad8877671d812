"""The embedded model behind an OpenAI-compatible endpoint on loopback: the teacher of the tests and benchmarks.

`transformers serve` refuses response_format, and a model of 135M parameters hardly writes valid JSON without it. This
server honours json_schema through llguidance: the schema says which tokens may come next, and the model chooses among
them. With temperature 0 the same request has the same reply, and is computed once.
"""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from aiohttp import web
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

NAME = "smollm2-on-loopback"


class Model:
    """Replies, one at a time.

    Attributes:
        computed: requests that the model worked on.
    """

    def __init__(self, path: str):
        self.tokenizer = AutoTokenizer.from_pretrained(path)
        self.model = AutoModelForCausalLM.from_pretrained(path).eval()
        self.grammar = from_tokenizer(self.tokenizer, n_vocab=self.model.config.vocab_size)
        self.cache, self.seen = DynamicCache(config=self.model.config), []  # of the last request, whose beginning stays
        self.lock, self.known, self.computed = threading.Lock(), {}, 0

    def reply(self, request: dict) -> dict:
        asked = json.dumps(request, sort_keys=True)
        with self.lock:
            if request.get("temperature") or asked not in self.known:
                self.computed += 1
                self.known[asked] = self._write(request)
            return self.known[asked]

    @torch.no_grad()
    def _write(self, request: dict) -> dict:
        prompt = self.tokenizer.apply_chat_template(request["messages"], add_generation_prompt=True, tokenize=False)
        prompt = self.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        form = request.get("response_format") or {}
        matcher = None
        if form.get("type") == "json_schema":
            schema = json.dumps(form["json_schema"]["schema"])
            options = {"whitespace_flexible": False}
            matcher = LLMatcher(self.grammar, LLMatcher.grammar_from_json_schema(schema, overrides=options))
        shared = next((i for i, (a, b) in enumerate(zip(prompt[:-1], self.seen, strict=False)) if a != b), 0)
        if beyond := self.cache.get_seq_length() - shared:
            self.cache.crop(-beyond)
        new, written, self.seen = prompt[shared:], [], prompt
        ends = {self.tokenizer.eos_token_id}
        while len(written) < request["max_tokens"]:
            logits = self.model(torch.tensor([new]), past_key_values=self.cache, logits_to_keep=1).logits[0, -1]
            if matcher:
                bits = np.frombuffer(matcher.compute_bitmask(), np.uint8)
                allowed = torch.from_numpy(np.unpackbits(bits, bitorder="little")[: len(logits)].astype(bool))
                logits = logits.masked_fill(~allowed, -torch.inf)
            heat = request.get("temperature") or 0
            token = int(torch.multinomial((logits / heat).softmax(-1), 1) if heat else logits.argmax())
            written.append(token)
            new = [token]
            if matcher:
                matcher.consume_token(token)
                if matcher.is_stopped():
                    break
                forced = matcher.compute_ff_tokens()  # what the schema leaves no choice about
                matcher.consume_tokens(forced)
                written += forced
                new += forced
            if token in ends:
                break
        stopped = len(written) < request["max_tokens"]
        return {
            "id": f"chatcmpl-{self.computed}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": NAME,
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": self.tokenizer.decode(written, skip_special_tokens=True),
                    },
                    "finish_reason": "stop" if stopped else "length",
                }
            ],
            "usage": {
                "prompt_tokens": len(prompt),
                "completion_tokens": len(written),
                "total_tokens": len(prompt) + len(written),
            },
        }


@contextmanager
def serving(application: web.Application) -> Iterator[str]:
    """Serve an application on loopback from a thread; yields its address."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    address: list[str] = []

    async def start() -> web.AppRunner:
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        address.append(f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}")
        ready.set()
        return runner

    def serve() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    ready.wait()
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def application(model: Model) -> web.Application:
    async def completions(request: web.Request) -> web.Response:
        body = await request.json()
        return web.json_response(await asyncio.to_thread(model.reply, body))

    served = web.Application()
    served.router.add_post("/v1/chat/completions", completions)
    return served


if __name__ == "__main__":  # python tests/teachers/loopback.py: serve until interrupted
    from qgen.model import embedded

    with serving(application(Model(str(embedded())))) as address:
        print(f"QGEN_TEACHER_URL={address}/v1 QGEN_TEACHER_MODEL={NAME}", flush=True)
        threading.Event().wait()
