import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
import wandb
import wandb_file
from conftest import CUBES, DIGITS, composed

from qgen.mathematics.problem import render
from qgen.runs import wandb as tracked
from qgen.runs.files import rows, steps
from qgen.runs.tracking import Tracker, tracking

OFFLINE = ("tracker=wandb", "tracker.mode=offline", "stage=grpo", "run_name=n")
GIB = 2**30


@pytest.fixture(autouse=True)
def nobody(tmp_path, monkeypatch):
    """W&B as it is where nobody has logged in, and no server can be reached."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_ENTITY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("NETRC", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home" / name))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    wandb.teardown()  # it reads these once
    yield
    wandb.teardown()


@pytest.fixture
def out(tmp_path):
    return tmp_path / "outputs" / "n" / "grpo"


def sample(mode: str, step: int, text: str, reward: float) -> dict:
    terms = {"format": 1.0, "novelty": None}
    return {"mode": mode, "step": step, "topic": "Algebra", "level": 2, "completion": text, "terms": terms,
            "reward": reward}  # fmt: skip


def memory(step: int | None, gib: float) -> dict:
    part = {"allocated": gib * GIB, "reserved": 2 * gib * GIB, "peak": 3 * gib * GIB}
    row = {"node": "step", "step": step, "device": "cpu", **part, "total": 64 * GIB, "share": 0.1}
    phases = {"rollout": {"seconds": 2.5, "reserved": gib * GIB}}
    return row if step is None else row | {"phases": phases}


def test_the_last_row_of_a_step_is_steps(tmp_path):
    tracker = Tracker(tmp_path)
    tracker.metrics(1, {"loss": 2.0})
    tracker.metrics(2, {"loss": torch.tensor(1.5)})
    Tracker(tmp_path).metrics(2, {"loss": 1.0})  # a resumed run does step 2 again
    assert [row["loss"] for row in steps(tmp_path / "metrics.jsonl")] == [2.0, 1.0]
    assert len(rows(tmp_path / "metrics.jsonl")) == 3


def test_everything_is_in_the_file_of_an_offline_run(out):
    config = composed(*OFFLINE, "tracker.group=sweep", "tracker.entity=us")
    good = [render(CUBES), render(DIGITS)]
    with tracking(config, out, {"seed": 1, "stage": {"name": "grpo"}}) as tracker:
        tracker.environment({"packages": {"torch": "2"}})
        tracker.write("memory", memory(None, 1.0))
        for step in (0, 2):
            texts = (good[0], "no problem", good[1], good[0])
            shown = [sample("validation", step, text, (step + i) / 10) for i, text in enumerate(texts)]
            tracker.write("samples", *shown)
            values = {"reward": 0.5, "terms/novelty": None, "fingerprint": "a1", "taken_over": True, "seconds": 1.5}
            tracker.validation(step, values)
        tracker.metrics(1, {"loss": torch.tensor(2.0), "terms/format": float("nan")})
        tracker.write("samples", sample("train", 2, good[0], 1.0))
        tracker.write("memory", memory(2, 1.5))
    logged = wandb_file.read(out)
    run = logged.run
    assert (run.display_name, run.run_group, run.job_type, run.project, run.entity) == (
        "n/grpo", "sweep", "grpo", "qgen", "us")  # fmt: skip
    assert logged.config["seed"] == 1
    assert logged.config["stage"] == {"name": "grpo"}
    assert logged.config["environment"] == {"packages": {"torch": "2"}}
    assert logged.axes["*"] == tracked.AXIS
    assert logged.exit_code == 0

    def over(key):
        return [(row[tracked.AXIS], row[key]) for row in logged.history if key in row]

    assert over("train/loss") == [(1, 2.0)]
    assert over("train/terms/format")[0][1] != over("train/terms/format")[0][1]  # NaN
    assert over("validation/reward") == [(0, 0.5), (2, 0.5)]
    assert over("validation/seconds") == [(0, 1.5), (2, 1.5)]
    assert not {"validation/terms/novelty", "validation/fingerprint", "validation/taken_over"} & logged.keys()
    assert over("memory/allocated_gib") == [(0, 1.0), (2, 1.5)]
    assert over("memory/reserved_gib") == [(0, 2.0), (2, 3.0)]
    assert over("memory/peak_gib") == [(0, 3.0), (2, 4.5)]
    assert over("memory/reserved_gib/rollout") == [(2, 1.5)]
    assert over("memory/seconds/rollout") == [(2, 2.5)]

    table = logged.tables["samples"]
    assert table["columns"] == ["mode", "step", "topic", "level", "reward", "completion", "format", "novelty"]
    assert len(over("samples")) == 2
    assert [row[1:6] for row in table["data"][4:6]] == [
        [2, "Algebra", 2, 0.2, good[0]],
        [2, "Algebra", 2, 0.3, "no problem"],
    ]
    assert len(table["data"]) == 8  # what GRPO trains on stays in the file
    best = logged.tables["best_problems"]
    assert [row[3:] for row in best["data"]] == [
        [reward, p.statement, p.answer] for reward, p in ((0.5, CUBES), (0.4, DIGITS), (0.2, CUBES))
    ]
    assert logged.summary["best_problems"]["nrows"] == 3
    assert len(rows(out / "samples.jsonl")) == 9
    assert [row["loss"] for row in steps(out / "metrics.jsonl")] == [2.0]


def test_a_run_that_fails_says_so(out):
    with pytest.raises(ZeroDivisionError), tracking(composed(*OFFLINE), out, {}) as tracker:
        tracker.metrics(1 // 0, {})
    assert wandb_file.read(out).exit_code == 1


def test_an_id_lasts_until_the_run_is_overwritten(out):
    ids = []
    for more in ((), ("resume=true",), ("overwrite=true",), ("resume=true",)):
        with tracking(composed(*OFFLINE, *more), out, {}) as tracker:
            ids.append(tracker.run.id)
            tracker.environment({})
    assert ids[0] == ids[1] != ids[2] == ids[3]
    with tracking(composed(*OFFLINE, "overwrite=true"), out, {}) as tracker:
        assert tracker.run.id != ids[3]  # and fails before the directory is its own
    assert (out / tracked.ID).read_text().strip() == ids[3]


def test_disabled(out):
    with tracking(composed("tracker=wandb", "tracker.mode=disabled"), out, {}) as tracker:
        tracker.environment({})
        tracker.metrics(1, {"loss": 1.0})
        tracker.write("samples", sample("validation", 0, render(CUBES), 1.0))
    assert not list(out.glob("wandb/*run*"))
    assert len(rows(out / "samples.jsonl")) == 1


@pytest.mark.parametrize("key", ["", "short", "k" * 40])
def test_a_tracker_that_cannot_start(out, monkeypatch, key, capsys):
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "2")
    if key:
        monkeypatch.setenv("WANDB_API_KEY", key)
    says = {"": "No API key", "short": "40"}.get(key, r"127\.0\.0\.1:9.*refused")
    with (
        pytest.raises(RuntimeError, match=rf"(?s){says}.*WANDB_API_KEY.*tracker\.mode=offline"),
        tracking(composed("tracker=wandb"), out, {}),
    ):
        pass
    with tracking(composed("tracker=wandb", "tracker.required=false"), out, {}) as tracker:
        tracker.metrics(1, {"loss": 2.0})
    assert steps(out / "metrics.jsonl")[0]["loss"] == 2.0
    assert f"going on with the files in {out}" in capsys.readouterr().out


def test_what_wandb_refuses_costs_only_itself(out, monkeypatch, caplog, capsys):
    def refuse(*_, **__):
        raise OSError("the disk is full")

    with tracking(composed(*OFFLINE), out, {}) as tracker:
        monkeypatch.setattr(tracker.run, "log", refuse)
        tracker.metrics(1, {"loss": 1.0})
        tracker.write("samples", sample("validation", 0, render(CUBES), 1.0))
        monkeypatch.setattr(tracker.run, "finish", refuse)
    assert [record.message.split(";")[0] for record in caplog.records if record.name == tracked.__name__] == [
        "W&B could not log something",
        "W&B could not finish its run",
    ]
    assert "the disk is full): wandb sync" in capsys.readouterr().out
    assert len(rows(out / "metrics.jsonl")) == len(rows(out / "samples.jsonl")) == 1
    type(tracker.run).finish(tracker.run)


class Server(BaseHTTPRequestHandler):
    """As much of W&B's server as a run without tables needs: it knows the runs that started, and what they sent."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/graphql":
            asked = json.loads(body)
            self.reply({"data": self.answer(asked["operationName"], asked["variables"] or {})})
            return
        if self.path.endswith("/file_stream"):
            self.server.sent += json.loads(body).get("files", {}).get("wandb-history.jsonl", {}).get("content", [])
        self.reply({})

    def do_PUT(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.reply({})

    def answer(self, name: str, given: dict) -> dict:
        project = {"id": "p", "name": "qgen", "entity": {"id": "e", "name": "us"}}
        if name == "RunResumeStatus":
            return {"model": {**project, "bucket": self.server.runs.get(given["name"])}}
        if name == "UpsertBucket":
            known = given["name"] in self.server.runs
            run = {"id": "r", "name": given["name"], "displayName": given["displayName"], "config": given["config"],
                   "historyLineCount": 2, "project": project}  # fmt: skip
            self.server.runs[given["name"]] = run | {
                "summaryMetrics": "{}", "logLineCount": 0, "eventsLineCount": 0, "tags": [], "wandbConfig": '{"t": 1}',
                "historyTail": json.dumps(['{"_step": 1, "_runtime": 3}']),
                "eventsTail": json.dumps(['{"_runtime": 3}']),
            }  # fmt: skip
            return {"upsertBucket": {"bucket": run, "inserted": not known}}
        if name == "CreateRunFiles":
            files = [{"name": file, "uploadUrl": f"{self.server.address}/{file}"} for file in given["files"]]
            return {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}
        return {}

    def reply(self, answer: dict) -> None:
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.handle_error = lambda *_: None  # W&B hangs up as it likes
    server.address, server.runs, server.sent = f"http://127.0.0.1:{server.server_port}", {}, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", server.address)
    yield server
    server.shutdown()
    server.server_close()


def test_online_a_resumed_stage_goes_on_in_its_run(out, server, capfd):
    for done, more in (((1, 2), ()), ((3,), ("resume=true",))):
        with tracking(composed("tracker=wandb", *more), out, {"seed": 1}) as tracker:
            tracker.environment({})
            for step in done:
                tracker.metrics(step, {"loss": 1.0})
    assert list(server.runs) == [tracker.run.id]
    sent = [json.loads(line) for line in server.sent]
    assert [row[tracked.AXIS] for row in sent] == [1, 2, 3]
    assert [row["_step"] for row in sent] == [0, 1, 2]
    said = capfd.readouterr()
    assert said.out == f"tracker: {server.address}/us/qgen/runs/{tracker.run.id}\n" * 2
    assert said.err == ""


def test_a_network_that_goes_away_does_not_hold_a_run(out, server, monkeypatch, capsys):
    monkeypatch.setattr(tracked, "FINISH_WITHIN", 1)
    with tracking(composed("tracker=wandb"), out, {}) as tracker:
        tracker.environment({})
        server.shutdown()
        server.server_close()
        tracker.metrics(1, {"loss": 1.0})
    assert "has not got all of this run" in capsys.readouterr().out
    assert len(rows(out / "metrics.jsonl")) == 1
