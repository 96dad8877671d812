"""python -m qgen.export: directories that appear whole, are not replaced unasked, and go to a hub on loopback."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import qgen

from qgen.export import hub, place
from qgen.settings.choices import Format


class Hub(BaseHTTPRequestHandler):
    """The part of the hub's interface that an upload takes. What is committed is written to `folder`."""

    folder: Path
    private: set
    broken: list

    def do_GET(self):
        known = self.headers.get("Authorization") == "Bearer hf_right"
        self.answer(200 if known else 401, {"name": "someone", "type": "user", "auth": {}} if known else {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))) if "Content-Length" in self.headers else b""
        while self.headers.get("Transfer-Encoding") == "chunked" and (size := int(self.rfile.readline(), 16)):
            body += self.rfile.read(size)
            self.rfile.readline()
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.private |= {name} if asked.get("private") or asked.get("visibility") == "private" else set()
            self.answer(200, {"url": f"http://{self.headers['Host']}/{name}", "name": name})
        elif self.path == "/api/validate-yaml":
            self.answer(200, {"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            files = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                     for f in json.loads(body)["files"]]  # fmt: skip
            self.answer(200, {"files": files})
        elif "/commit/" in self.path:
            name = "/".join(self.path.split("/")[3:5])
            if self.broken and self.broken[0] == name:
                self.answer(403, {"error": "the disk is full"})
                return
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    target = self.folder / name / line["value"]["path"]
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(base64.b64decode(line["value"]["content"]))
            commit = {"commitUrl": f"http://{self.headers['Host']}/{name}/commit/0", "commitOid": "0" * 40}
            self.answer(200, {"success": True, **commit})
        else:
            self.answer(404, {})

    def answer(self, code: int, value: dict):
        content = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def loopback(tmp_path, monkeypatch):
    handler = type("Handler", (Hub,), {"folder": tmp_path / "hub", "private": set(), "broken": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield handler
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_all_formats_are_made_once_and_replaced_only_when_asked(pipeline, tmp_path):
    run, out = pipeline[0] / "outputs" / "t", tmp_path / "out"
    every = (f"run={run}", f"out={out}", "format=[ollama,gguf,merged,adapter]", "precision=[f16]")
    done = qgen(*every, cwd=tmp_path, module="export")
    assert done.returncode == 0, done.stderr
    assert "top token the same at 100.00%" in " ".join(done.stdout.split())
    folders = {"adapter": "adapter_model.safetensors", "merged": "model.safetensors", "gguf": "t-distill-f16.gguf",
               "ollama": "Modelfile"}  # fmt: skip
    for format, file in folders.items():
        assert {file, "README.md", place.RECORD} <= {path.name for path in (out / format).iterdir()}
        assert f"{format}: " in done.stdout
    assert json.loads((out / "adapter" / "adapter_config.json").read_text())["base_model_name_or_path"] is None
    assert not [path for path in out.iterdir() if path.name.startswith(".making")]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file() and path.name != ".lock"}
    again = qgen(*every, cwd=tmp_path, module="export")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("already") == 4
    every = (f"run={run / 'sft'}", *every[1:])
    other = qgen(*every, cwd=tmp_path, module="export")
    assert other.returncode == 1
    assert "overwrite=true" in other.stderr
    assert before == {path: path.stat().st_mtime_ns for path in before}
    replaced = qgen(*every[:2], "format=[adapter]", "overwrite=true", cwd=tmp_path, module="export")
    assert replaced.returncode == 0, replaced.stderr
    assert "stage sft of run t" in (out / "adapter" / "README.md").read_text()


def test_each_format_becomes_a_private_repository(loopback, tmp_path):
    for format in (Format.adapter, Format.merged):
        (tmp_path / format.value).mkdir()
        (tmp_path / format.value / "README.md").write_text(f"# {format.value}\n")
        (tmp_path / format.value / "weights.bin").write_bytes(bytes(range(256)) * 100)
    hub.reach()
    loopback.broken[:] = ["someone/m"]
    with pytest.raises(RuntimeError, match=r"1 of 2 were pushed, all are in .*the same command.*HF_TOKEN.*HF_ENDPOINT"):
        hub.push(tmp_path, [Format.adapter, Format.merged], "someone/m")
    loopback.broken.clear()
    pushed = hub.push(tmp_path, [Format.adapter, Format.merged], "someone/m")
    assert [address.split("/", 3)[3] for address in pushed] == ["someone/m-adapter", "someone/m"]
    assert loopback.private == {"someone/m-adapter", "someone/m"}
    for name, format in {"someone/m-adapter": "adapter", "someone/m": "merged"}.items():
        for file in ("README.md", "weights.bin"):
            assert (tmp_path / "hub" / name / file).read_bytes() == (tmp_path / format / file).read_bytes()


@pytest.mark.parametrize(
    ("name", "value"), [("HF_TOKEN", "hf_wrong"), ("HF_ENDPOINT", "http://127.0.0.1:9"), ("HF_HUB_OFFLINE", "1")]
)
def test_a_hub_that_cannot_be_written_to_says_what_to_set(pipeline, loopback, tmp_path, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    run = pipeline[0] / "outputs" / "t"
    out = tmp_path / "out"
    done = qgen(
        f"run={run}", f"out={out}", "push=true", "repo=someone/m", cwd=tmp_path, module="export", cold=True
    )  # the hub reads it as it is imported
    assert done.returncode == 1
    assert "HF_ENDPOINT" in done.stderr
    assert "HF_TOKEN" in done.stderr
    assert not (out / "merged").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["push=true"], "push=true needs repo=USER/NAME"),
        (["format=[]"], "format is empty"),
        (["format=[onnx]"], "onnx"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_loaded(tmp_path, given, said):
    done = qgen(f"run={tmp_path}", *given, cwd=tmp_path, module="export")
    assert done.returncode == 1
    assert said in done.stderr
