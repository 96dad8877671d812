"""HF_ENDPOINT: a model by name out of a mirror, which is a server on loopback in the hub's layout."""

import hashlib
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import composed

from qgen.models import model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Mirror(BaseHTTPRequestHandler):
    """Serves the files of one folder as those of the model someone/tiny."""

    folder: Path
    served: set

    def do_GET(self):
        self.answer(body=True)

    def do_HEAD(self):
        self.answer(body=False)

    def answer(self, body: bool):
        prefix = "/someone/tiny/resolve/main/"
        file = self.folder / self.path.removeprefix(prefix)
        if not self.path.startswith(prefix) or not file.is_file():
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = file.read_bytes()
        self.served.add(file.name)
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(tmp_path):
    config = composed("model=tiny").model
    tokenizer = model.load_tokenizer(config)
    folder = tmp_path / "files"
    model.load_base(config, tokenizer, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    handler = type("Handler", (Mirror,), {"folder": folder, "served": set()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", handler.served
    server.shutdown()
    server.server_close()


def test_a_model_is_loaded_through_the_mirror(mirror, tmp_path):
    address, served = mirror
    code = """
from qgen.settings.compose import composed
from qgen.models.model import load
config = composed(["model.name=someone/tiny", "model.lora.r=4"])
policy, tokenizer = load(config.model, None, 0)
print(policy.config.hidden_size, tokenizer.eos_token)
"""
    keep = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    env = keep | {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "32 <|im_end|>"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= served
