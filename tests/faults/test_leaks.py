"""What a run leaves behind, sends and shows: no passwords, no requests that were forbidden, nothing that acts."""

import io
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import wandb
from conftest import CUBES, composed
from markdown_it import MarkdownIt
from rich.text import Text

from qgen import cli
from qgen.doctor import sources
from qgen.models import model
from qgen.papers import sheet
from qgen.reporting import dashboard, tables
from qgen.runs import rundir
from qgen.runs.tracking import tracking
from qgen.runtime import strict
from qgen.settings.config import to_yaml
from qgen.text import redact

URL = "https://user:S3CRET@hub.example"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"GET {URL}/m failed", "GET https://***@hub.example/m failed"),
        ("train.py +stage.trl.hub_token=S3CRET seed=1", "train.py +stage.trl.hub_token=*** seed=1"),
        ("{'hub_token': 'S3CRET', 'seed': 1}", "{'hub_token': ***, 'seed': 1}"),
        ("https://h/x?token=S3CRET&b=1", "https://h/x?token=***&b=1"),
        ("refused: sk-S3CRET-of-mine.", "refused: ***."),
        ("max_tokens=3 eos_token=<x> http://h/a@b git@h:x", "max_tokens=3 eos_token=<x> http://h/a@b git@h:x"),
    ],
)
def test_fault_15_secrets_are_crossed_out(said, shown, monkeypatch):
    monkeypatch.setenv("QGEN_TEACHER_KEY", "sk-S3CRET-of-mine")
    assert redact.text(said) == shown


@pytest.mark.parametrize(
    "override",
    [
        "+stage.trl.hub_token=S3CRET",
        f"model.name={URL}/m",
        "+reward.terms.format.params.api_key=S3CRET",
        "+stage.trl.model_init_kwargs={token: S3CRET}",
        "data.path=${oc.env:MINE}",
    ],
)
def test_fault_15_a_secret_in_the_config_is_refused(override, monkeypatch):
    monkeypatch.setenv("MINE", URL)
    with pytest.raises(ValueError, match="HF_TOKEN") as refused:
        composed(override)
    assert "S3CRET" not in str(refused.value)
    assert str(refused.value).startswith(override.lstrip("+").partition("=")[0])


def test_fault_15_the_command_line_is_refused_before_hydra_reads_it(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["train.py", "stage=nonsense", "hydra.job.env_set.HF_TOKEN=S3CRET"])
    with pytest.raises(SystemExit, match="1"):
        cli.entry(lambda *_: None)()
    said = capsys.readouterr().err
    assert "hydra.job.env_set.HF_TOKEN: holds a password" in said
    assert "S3CRET" not in said


def test_fault_15_ordinary_configs_hold_no_secret():
    for override in ("model=a100", "data=openmath", "teacher=api", "tracker=wandb", "+stage.trl.eos_token=x"):
        composed(override)


def test_fault_15_an_older_run_with_a_secret_goes_on_and_does_not_show_it(tmp_path):
    config = composed("resume=true", f"output_dir={tmp_path}")
    config.stage.trl = {"hub_token": "S3CRET"}
    config.model.name = f"{URL}/m"
    (tmp_path / rundir.CONFIG).write_text(to_yaml(config))
    (tmp_path / "metrics.jsonl").write_text("{}\n")
    now = composed("resume=true", f"output_dir={tmp_path}")
    claim = rundir.claim(now, tmp_path)
    assert "stage.trl.hub_token: *** -> absent" in claim.note
    assert "S3CRET" not in claim.note
    rundir.begin(now, tmp_path, claim)
    assert "S3CRET" not in (tmp_path / rundir.CONFIG).read_text()


def test_fault_15_the_hub_is_named_without_its_password(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", URL)
    with pytest.raises(RuntimeError, match=r"https://\*\*\*@hub.example") as told, strict.hub("m"):
        raise OSError(f"{URL}/m: 404")
    assert "S3CRET" not in str(told.value)
    assert "S3CRET" not in cli.explain(RuntimeError(f"{URL}: 404"))


def test_fault_15_a_log_has_no_secret_in_its_tracebacks():
    try:
        raise OSError(f"{URL}/m: 404")
    except OSError as error:
        record = logging.LogRecord("x", 40, "x", 1, "--x hub_token=%s \x1b[2J", ("S3CRET",), (OSError, error, None))
    line = redact.Formatter("%(message)s").format(record)
    assert "https://***@hub.example" in line
    assert "\x1b" not in line
    assert "S3CRET" not in line


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Requests that reach W&B's server, which this is in its place."""
    paths = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self):
            paths.append(self.path)
            self.send_error(404)

        do_GET = do_PUT = do_POST  # noqa: N815

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name in ("MODE", "PROJECT", "ENTITY", "RUN_GROUP", "NAME", "JOB_TYPE", "DIR"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)
    for name in ("CONFIG_DIR", "DATA_DIR", "CACHE_DIR"):
        monkeypatch.setenv(f"WANDB_{name}", str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "2")
    wandb.teardown()  # it reads these once
    yield paths
    wandb.teardown()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("mode", ["disabled", "offline"])
def test_fault_16_nothing_leaves_the_process_where_the_environment_says_so(asked, mode, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", mode)
    with tracking(composed("tracker=wandb"), tmp_path / "n" / "sft", {}) as tracker:
        tracker.environment({})
        tracker.metrics(1, {"loss": 1.0})
    assert asked == []


def test_fault_16_the_command_line_wins_over_the_environment(asked, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    config = composed("tracker=wandb", "tracker.mode=online", "tracker.required=false")
    with tracking(config, tmp_path / "n" / "sft", {}):
        pass
    assert asked


@pytest.mark.parametrize(
    ("overrides", "said"),
    [((), ("theirs", "them", "all", "outside")), (("tracker.project=mine", "tracker.entity=me", "tracker.group=some"),
                                               ("mine", "me", "some", "outside"))],
)  # fmt: skip
def test_fault_16_the_environment_wins_over_a_default(asked, overrides, said, tmp_path, monkeypatch):
    (tmp_path / "outside").mkdir()
    for name, value in {"MODE": "offline", "PROJECT": "theirs", "ENTITY": "them", "RUN_GROUP": "all"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "outside"))
    with tracking(composed("tracker=wandb", *overrides), tmp_path / "n" / "sft", {}) as tracker:
        run = tracker.run
        assert (run.project, run.entity, run.group) == said[:3]
    assert list((tmp_path / said[3]).rglob("run-*.wandb"))
    assert asked == []


def test_fault_16_without_either_it_is_as_before(asked, tmp_path):
    config = composed("tracker=wandb", "tracker.mode=offline", "run_name=mine")
    with tracking(config, tmp_path / "n" / "sft", {}) as tracker:
        assert (tracker.run.project, tracker.run.group, tracker.run.name) == ("qgen", "mine", "n/sft")


def test_fault_16_the_dashboard_takes_the_same_project(monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "theirs")
    assert dashboard.workspace(dashboard.DashboardConfig()).project == "theirs"
    assert dashboard.workspace(dashboard.DashboardConfig(project="mine")).project == "mine"


ACTS = "\x1b[2J \x1b]8;;http://x\x07 \x9b31m \u202e"
SEEN = "⟨001B⟩[2J ⟨001B⟩]8;;http://x⟨0007⟩ ⟨009B⟩31m ⟨202E⟩"


def printed(*things) -> str:
    console = tables.Terminal(file=io.StringIO(), width=200)
    for thing in things:
        console.print(thing)
    return console.file.getvalue()


@pytest.mark.parametrize("text", [r"\[ x \] and \[x+1\], \\[2pt]", "[bold] [/] [link=http://x]y[/link]", ":a: :smile:"])
def test_fault_17_brackets_and_colons_stand_for_themselves(text):
    table = tables.plain_table(text)
    table.add_column(text)
    table.add_row(text)
    assert printed(text).strip() == text
    assert printed(table).count(text) == 3
    assert text in printed(tables.samples({"stage": "sft", "samples": [text]}))


def test_fault_17_nothing_that_is_shown_acts_on_the_terminal(capsys):
    table = tables.plain_table(ACTS)
    table.add_column(ACTS)
    table.add_row(ACTS)
    rows = [{"topic": ACTS, "level": 1, "reward": 0.5, "nearest": {"similarity": 0.1}, "statement": ACTS}]
    tables.show(ACTS, tables.samples({"stage": "sft", "samples": [ACTS]}))
    shown = capsys.readouterr().out
    assert shown.count(SEEN) == 2
    shown += printed(table)
    assert shown.count(SEEN) == 5
    shown += printed(tables.made_table(rows, 1, "a second"), Text(ACTS))
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)


def test_fault_17_colours_of_ours_are_left():
    console = tables.Terminal(file=io.StringIO(), width=80, force_terminal=True)
    console.print(Text(ACTS, "bold"))
    assert console.file.getvalue().startswith("\x1b[1m⟨001B⟩[2J")


def test_fault_17_an_error_does_not_act_on_the_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["train.py", f"stage={ACTS}"])
    with pytest.raises(SystemExit, match="1"):
        cli.entry(lambda *_: None)()
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        "[a](javascript:alert(1)) ![b](http://x/y.png) <http://x> <b>c</b> &amp;",
        "# a\n\n> b\n- c\n1. d\n    e\n```\nf\n```\n---\n===\n| g |\n\n[h]: javascript:1\n\n[h]",
        r"\( [a](javascript:1) ![b](c) \) *d* _e_ `f` \$5",
        "$$\n\n[a]: javascript:1\n\n[a]$$ and [a]",
    ],
)
def test_fault_17_markdown_shows_what_was_written(text):
    row = {"statement": text, "answer": text, "solution": text, "topic": text, "level": 2, "difficulty": None,
           "reward": 0.5, "nearest": {"similarity": 0.3, "source": text, "id": text, "licence": text},
           "certificate": {"id": "c0ffee"}}  # fmt: skip
    page = MarkdownIt("commonmark").render(sheet.markdown(text, [row]))
    for element in ("<a ", "<img", "<b>", "<code", "<ul", "<ol", "<blockquote", "<hr", "<h3", "</em>"):
        assert element not in page
    assert (page.count("<h1>"), page.count("<h2>"), page.count("<strong>")) == (1, 1, 1)  # ours


def test_fault_17_mathematics_is_left_to_the_reader():
    text = f"{CUBES.statement} On $[0,1]$ it is $a_1*b_2$ and\n$x$ costs \\$5."
    row = {"statement": text, "answer": "-5", "solution": "", "topic": "Algebra", "level": 2, "difficulty": 2.0,
           "reward": 0.5, "nearest": {"similarity": 0.0}, "certificate": {"id": "c0ffee"}}  # fmt: skip
    written = sheet.markdown("One", [row])
    assert text in written
    assert "**Answer:** -5" in written


def test_fault_19_code_that_comes_with_a_model_is_neither_run_nor_asked_about(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("builtins.input", lambda text: asked.append(text) or "y")
    home = tmp_path / "hostile"
    home.mkdir()
    (home / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    maps = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}
    (home / "config.json").write_text(json.dumps({"model_type": "evil", "auto_map": maps}))
    tokenizer = {"auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}, "tokenizer_class": "Evil"}
    (home / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    config = composed(f"model.name={home}").model
    for load in (
        lambda: model.load_tokenizer(config),
        lambda: model.load_base(config, None, 0),
        lambda: sources.shape(config, None, True),
    ):
        with pytest.raises(RuntimeError, match="comes with code of its own"):
            load()
    assert asked == []
    assert not (tmp_path / "ran").exists()


def test_fault_19_trl_is_not_told_to_trust_code_either():
    with pytest.raises(ValueError, match=r"stage\.trl\.trust_remote_code: qgen runs no code that comes with a model"):
        composed("+stage.trl.trust_remote_code=true")
