"""llama.cpp's server as engine/llamacpp.py speaks to it, on loopback: a function of the prompt is what writes."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from qgen.engine.llamacpp import LlamaCpp


@contextmanager
def loopback(reply: Callable[[str, int], str]) -> Iterator[LlamaCpp]:
    """A server whose completions are reply(prompt, seed), a word a token; its `asked` holds the prompts."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            if self.path == "/apply-template":
                self.wfile.write(json.dumps({"prompt": body["messages"][-1]["content"]}).encode())
                return
            asked.append(body["prompt"])
            words = reply(body["prompt"], body["seed"]).split(" ")[: body["n_predict"]]
            for i, word in enumerate(words):
                last = i + 1 == len(words)
                stop = {"stop_type": "limit" if len(words) == body["n_predict"] else "eos", "tokens_predicted": i + 1}
                part = {"content": word + ("" if last else " "), "stop": last, **(stop if last else {})}
                try:
                    self.wfile.write(f"data: {json.dumps(part)}\n\n".encode())
                except OSError:  # who asked has left
                    return

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    engine = LlamaCpp(f"http://127.0.0.1:{server.server_port}", 4)
    engine.identity, engine.asked = "loopback@1", asked
    try:
        yield engine
    finally:
        server.shutdown()
        server.server_close()
