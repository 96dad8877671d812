"""The front door holds: every command in README, docs/ and the help texts composes, no figure of the README is another
than its file's, and the documentation builds strictly and asks the network for nothing."""

import ast
import copy
import html
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep
from omegaconf import DictConfig

from qgen.settings import compose
from qgen.settings.attack import Attacked
from qgen.settings.config import Config
from qgen.settings.dashboard import DashboardConfig
from qgen.settings.doctor import Examined
from qgen.settings.evaluate import EvaluateConfig
from qgen.settings.export import ExportConfig
from qgen.settings.generate import GenerateConfig
from qgen.settings.report import ReportConfig
from qgen.settings.teach import TeachConfig
from qgen.settings.verify import VerifyConfig

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = {
    "train": ("config", Config),
    "pipeline": ("config", Config),
    "rewards.check": ("config", Config),
    "rewards.attack": ("attack", Attacked),
    "doctor": ("doctor", Examined),
    "evaluate": ("evaluate", EvaluateConfig),
    "generate": ("generate", GenerateConfig),
    "verify": ("verify", VerifyConfig),
    "teach": ("teach", TeachConfig),
    "export": ("export", ExportConfig),
    "report": ("report", ReportConfig),
    "dashboard": ("dashboard", DashboardConfig),
}
FLAGS = {"--cfg": 1, "--from": 1, "--help": 0, "-m": 0, "--multirun": 0, "--dry-run": 0}  # and the words after each
SPEEDS = ROOT / "benchmarks" / "results" / "speed"
ANSWERS = ROOT / "benchmarks" / "results" / "real" / "h200" / "answers.jsonl"
READ = {"stated": ANSWERS.parent / "read"} | {
    answers: ANSWERS.parent / folder / "read"
    for answers, folder in (
        ("computed", "taught"),
        ("course", "course"),
        ("levels", "levels"),
        ("points", "points"),
        ("printed", "printed"),
    )
}
SPEED = {
    "13.82": ("grpo-135m/stock", 1),
    "6.68": ("grpo-135m/unsloth", 1),
    "1.244": ("grpo-135m/vllm", 4),
    "0.675": ("grpo-135m/qgen", 1),
    "0.573": ("grpo-135m/qgen", 4),
    "26.3": ("grpo-14b/stock", 3),
    "8.46": ("grpo-14b/unsloth", 1),
    "51.0": ("grpo-14b/vllm", 4),
    "3.11": ("grpo-14b/qgen", 1),
    "3.20": ("grpo-14b/qgen", 3),
    "2.68": ("grpo-14b/qgen-40gib", 1),
    "4.17": ("sft-14b/stock", 5),
    "2.45": ("sft-14b/unsloth", 5),
}  # a figure of the README, and the row and the session of benchmarks/results/speed/h100 that it is of
FENCE = re.compile(r"^(`{3,})(\w*)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """The commands of a page: lines of its sh blocks, and what stands in backticks and is one."""
    found = []
    for _, language, body in FENCE.findall(text):
        if language == "sh":
            found += body.replace("\\\n", " ").splitlines()
    inline = re.findall(r"`([^`]+)`", FENCE.sub("", text))
    found += [
        " ".join(span.split())
        for span in inline
        if re.match(r"\s*(python\s+-m\s+qgen\S+\s+\S|python\s+bench|make )", span)
    ]
    parts = [part.strip() for line in found for part in line.split("&&")]
    return list(dict.fromkeys(part for part in parts if part and not part.startswith("#")))


def helped(text: str) -> list[str]:
    """The commands of a YAML file's help text, each of which ends where two spaces begin what it is for."""
    lines = [line.strip() for line in text.splitlines()]
    return [re.split(r"\s{2,}", line)[0] for line in lines if line.startswith("python -m qgen")]


CASES = [(path.relative_to(ROOT), command) for path in PAGES for command in commands(path.read_text("utf-8"))]
CASES += [(path.relative_to(ROOT), command) for path in sorted((ROOT / "conf").glob("*.yaml"))
          for command in helped(path.read_text("utf-8"))]  # fmt: skip
CASES = list({command: (path, command) for path, command in reversed(CASES)}.values())[::-1]


def test_there_are_commands_to_read():
    assert len(CASES) > 100
    assert {module for module in MODULES if any(f"qgen.{module} " in command for _, command in CASES)} == set(MODULES)


@pytest.mark.parametrize(("path", "command"), CASES, ids=[f"{path}: {command}"[:90] for path, command in CASES])
def test_a_command_composes(path, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quoted = re.sub(r"'[^']*'|\"[^\"]*\"", "", command)
    assert not re.search(r"\{[^}]*,[^}]*\}", quoted), "of an unquoted {a,b} bash makes several words"
    words = shlex.split(command, comments=True)
    while words and re.fullmatch(r"export|[A-Z_]+=.*", words[0]):
        words.pop(0)
    for word in words:
        if word.startswith(("conf/", "examples/", "./examples/", "benchmarks/")):
            assert (ROOT / word).exists(), word
    at = next((i for i, word in enumerate(words[1:]) if words[i] == "-m" and word.startswith("qgen.")), None)
    if at is not None:
        composes(words[at + 1].removeprefix("qgen."), words[at + 2 :])
    elif words[:1] == ["make"]:
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert {word for word in words[1:] if "=" not in word} <= set(targets)
    elif words[:2] == ["pip", "install"]:
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        for asked in re.findall(r"qgen\[(.*)\]", command):
            assert set(asked.split(",")) <= set(extras)
    elif words[:1] == ["python"]:
        script = (ROOT / words[1]).read_text()
        assert not [word for word in words if word.startswith("--") and word != "--" and f'"{word}"' not in script]


def composes(module: str, words: list[str]) -> None:
    """Compose and check what a command would run."""
    name, schema = MODULES[module]
    if module == "report" and words[0] == "diff":
        assert len(words) == 3
        return
    if "--help" in words:
        return
    overrides, rest = [], iter(words)
    for word in rest:
        if word in FLAGS:
            for _ in range(FLAGS[word]):
                next(rest)
        elif module == "verify" and "=" not in word:
            overrides.append(f"file={word}")
            Path(word).write_text("")
        else:
            assert "=" in word or word.startswith("~"), word
            overrides.append(word)
    for directory in re.findall(r"(?:outputs|multirun)/[\w/]+", " ".join(overrides)):
        Path(directory).mkdir(parents=True, exist_ok=True)
    if module == "teach":
        for file in re.findall(r"[\w/]+\.jsonl", " ".join(overrides)):
            Path(file).write_text("")
    for job in jobs(overrides):
        resolved(name, schema, [*job, "stage=grpo"] if module == "pipeline" else job)


def jobs(overrides: list[str]) -> list[list[str]]:
    """The command line without what is Hydra's own. A sweep's place is taken by its first value, or, where it is over a
    group, by each of its files once."""
    choices = []
    for parsed in OverridesParser.create().parse_overrides([o for o in overrides if not re.match(r"hydra[./]", o)]):
        key = parsed.get_key_element()
        if not parsed.is_sweep_override():
            choices.append([parsed.input_line])
        elif isinstance(parsed.value(), IntervalSweep):
            choices.append([f"{key}={parsed.value().start}"])
        else:
            values = [f"{key}={value}" for value in parsed.sweep_string_iterator()]
            choices.append(values if (compose.CONF / key).is_dir() else values[:1])
    count = max(map(len, choices), default=1)
    return [[values[min(i, len(values) - 1)] for values in choices] for i in range(count)]


def resolved(name: str, schema: type, overrides: list[str]) -> object:
    """The checked config of a command, as its entry makes it. What composes the same files is composed once."""
    parsed = OverridesParser.create().parse_overrides(overrides)
    groups = [o for o in parsed if o.key_or_group and (compose.CONF / o.key_or_group).is_dir()]
    cfg = copy.deepcopy(based(name, schema, tuple(o.input_line for o in groups)))
    ConfigLoaderImpl._apply_overrides_to_config([o for o in parsed if o not in groups], cfg)
    current, before = HydraConfig.instance(), HydraConfig.instance().cfg
    try:
        current.set_config(cfg)
        del cfg.hydra
        return compose.resolve(cfg)
    finally:
        current.cfg = before


@cache
def based(name: str, schema: type, groups: tuple[str, ...]) -> DictConfig:
    """A command's config with the files that a command line chooses, and Hydra's own."""
    compose.register(schema)
    try:
        with initialize_config_dir(str(compose.CONF), version_base="1.3"):
            return hydra_compose(name, list(groups), return_hydra_config=True)
    finally:
        compose.register()


@pytest.mark.parametrize("words", [["stage=sft", "stage.max_stepz=3"], ["-m", "seed=x,0"], ["stage=grpo", "grpo"]])
def test_a_command_that_would_fail_is_found(words):
    with pytest.raises(Exception, match=r"max_stepz|seed|grpo"):
        composes("train", words)


@pytest.mark.parametrize("path", PAGES, ids=[str(path.relative_to(ROOT)) for path in PAGES])
def test_python_in_the_pages_composes_too(path):
    for _, language, body in FENCE.findall(path.read_text("utf-8")):
        for call in ast.walk(ast.parse(body if language == "python" else "")):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "QuestionsGenTrainer":
                composes("pipeline", [ast.literal_eval(argument) for argument in call.args])


def test_the_readme_is_short_and_its_links_live():
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 250
    links = re.findall(r"\]\(([^)#]+)|srcset=\"([^\"]+)|src=\"([^\"]+)", text)
    local = [link for link in map("".join, links) if "://" not in link]
    assert len(local) > 20
    assert not [link for link in local if not (ROOT / link).exists()]
    for page, anchor in re.findall(r"\]\(([^)#]+\.md)#([^)]+)\)", text):
        headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
        slugs = {re.sub(r"[^\w\s-]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
        assert anchor in slugs, f"{page}#{anchor}"


def test_the_chinese_readme_says_the_same():
    english, chinese = ((ROOT / f"README{name}.md").read_text("utf-8") for name in ("", ".zh-CN"))
    assert FENCE.findall(chinese) == FENCE.findall(english)

    def counted(pattern: str, text: str) -> Counter:
        return Counter(re.findall(pattern, FENCE.sub("", text)))

    for pattern in (r"\d+(?:[.,]\d+)*", r"`[^`]+`", r"\]\((?!README)([^)]+)\)"):
        assert {" ".join(one.split()) for one in counted(pattern, english)} ^ {
            " ".join(one.split()) for one in counted(pattern, chinese)
        } <= {"`group=file`", "`group.key=value`", "`组=文件`", "`组.键=值`"}, pattern
    assert counted(r"\d+(?:[.,]\d+)*", english) == counted(r"\d+(?:[.,]\d+)*", chinese)


@pytest.mark.parametrize("page", ["README.md", "docs/explanation/real-model.md"])
def test_the_winners_are_the_files(page):
    text = " ".join((ROOT / page).read_text("utf-8").split())
    won = json.loads((READ["printed"].parent / "winners.json").read_text("utf-8"))["winners"]
    assert len(won) == 40
    for row in won:
        if row["by"] != "base" or page != "README.md":
            told = f"{row['reward']:.2f} ({row['topic']} {row['level']}): {row.get('statement', 'no problem')} -> "
            assert " ".join(told.split()) + f" {row.get('answer', '')}".rstrip() in text


def test_the_table_of_answers_is_printed():
    command = [sys.executable, "benchmarks/answers.py", str(ANSWERS)]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = [" ".join(line.split()) for line in printed.splitlines() if line.startswith((" computed", " stated"))]
    text = " ".join((ROOT / "docs" / "explanation" / "real-model.md").read_text("utf-8").split())
    assert len(lines) == 4
    assert all(line in text for line in lines)


def test_the_figures_of_the_speed_table_are_the_results():
    text = (ROOT / "README.md").read_text("utf-8").partition("| | stock TRL |")[2]
    table, note = text.split("\n\n")[:2]
    assert set(re.findall(r"\d+\.\d+", table + note)) == set(SPEED)
    kept = [json.loads(line) for path in (SPEEDS / "h100").glob("*.jsonl") for line in path.read_text().splitlines()]
    seconds = {(row["row"], row["session"]): row["seconds"] for row in kept}
    for figure, row in SPEED.items():
        assert f"{seconds[row]:.{len(figure.partition('.')[2])}f}" == figure, row
    for line in table.splitlines():
        figures = re.findall(r"(\d+\.\d+)( ¹)?", line)
        own, others = ({SPEED[figure][1] for figure, mark in figures if bool(mark) is other} for other in (False, True))
        assert len(own) <= 1, line
        assert not own & others, line
    beside = re.findall(r"eside (\S+) qgen took (\d+\.\d+)", note)
    assert len(beside) == 2
    assert all(SPEED[one][1] == SPEED[other][1] for one, other in beside)


@pytest.mark.parametrize(
    ("page", "answers"),
    [
        ("README.md", "printed"),
        ("docs/explanation/real-model.md", "printed"),
        ("docs/explanation/real-model.md", "points"),
        ("docs/explanation/real-model.md", "levels"),
        ("docs/explanation/real-model.md", "course"),
        ("docs/explanation/real-model.md", "computed"),
        ("docs/explanation/real-model.md", "stated"),
    ],
)
def test_the_counts_of_what_was_read_are_the_files(page, answers):
    text = (ROOT / page).read_text("utf-8")
    keys = ("form", "well_posed", "right", "on_topic", "level_ok", "chestnut")
    for file in READ[answers].glob("*.jsonl"):
        found = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        asked = [*keys, *(["trick"] if "trick" in found[0] else [])]
        counts = [len(found), *(sum(bool(row[key]) for row in found) for key in asked)]
        near = [bool(row["level_ok"]) for row in found if row["level"] >= 3]
        figures = " +".join(map(str, [*counts, f"{sum(near)}/{len(near)}"]))
        assert re.search(rf"^ {file.stem} +{figures}$", text, re.MULTILINE), file.stem


def test_every_package_has_a_line_on_the_map():
    text = (ROOT / "docs" / "explanation" / "design.md").read_text("utf-8")
    packages = {path.parent.name for path in (ROOT / "src" / "qgen").glob("*/__init__.py")}
    assert packages <= set(re.findall(r"^src/qgen/(\w+)/ ", text, re.MULTILINE))
    scripts = {path.name for path in (ROOT / "benchmarks").glob("*.py")} - {"direct.py"}
    assert scripts <= set(re.findall(r"^benchmarks/(\S+) ", text, re.MULTILINE))


def built(out: Path, *more: str) -> subprocess.CompletedProcess:
    """What `make docs` runs, into another folder."""
    (words,) = re.findall(r"\$\(BIN\)/mkdocs (build .*)", (ROOT / "Makefile").read_text())
    command = [sys.executable, "-m", "mkdocs", *words.split(), "--site-dir", str(out), *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The documentation, built strictly."""
    out = tmp_path_factory.mktemp("site")
    done = built(out)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("[a](nowhere.md)", "nowhere.md"),
        ("[a](index.md#nowhere)", "#nowhere"),
        ("[a](/nowhere.md)", "/nowhere.md"),
        ("::: qgen.nowhere", "qgen.nowhere"),
        ("# A page that lies in no menu", "orphan.md"),
        ("[a](index.md#qgen)", None),
    ],
)
def test_a_dead_link_or_a_missing_page_ends_the_build(tmp_path, page, says):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text(f"# qgen\n\n{page}\n")
    (docs / "style.css").write_text("")
    if says == "orphan.md":
        (docs / "orphan.md").write_text("# Orphan\n")
    text = f"INHERIT: {ROOT / 'mkdocs.yml'}\ndocs_dir: {docs}\nhooks: []\nnav: [index.md]\n"
    (tmp_path / "mkdocs.yml").write_text(text)
    done = built(tmp_path / "site", "--config-file", str(tmp_path / "mkdocs.yml"))
    assert (done.returncode != 0) is (says is not None), done.stderr
    assert (says or "") in done.stderr


def leaves(schema: type, prefix: str = "") -> Iterator[str]:
    """A schema's keys that are no groups."""
    for item in fields(schema):
        inner = next(filter(is_dataclass, (item.type, *get_args(item.type))), None)
        yield from leaves(inner, f"{prefix}{item.name}.") if inner else [f"{prefix}{item.name}"]


@pytest.mark.slow
def test_the_documentation_builds_strictly_and_has_every_key(site):
    built = {path.relative_to(site).with_suffix(".md") for path in site.rglob("*.html")}
    assert {path.relative_to(ROOT / "docs") for path in PAGES if path.parent != ROOT} <= built
    page = html.unescape((site / "reference" / "configuration.html").read_text("utf-8"))
    for _, schema in MODULES.values():
        for key in leaves(schema):
            assert f"<code>{key}</code>" in page, key
    for words in ("13.824", "of 12 settings 1 finish without the guard", "shipped-grpo"):
        assert words in (site / "reference" / "measured.html").read_text("utf-8")


@pytest.mark.slow
def test_no_page_asks_the_network(site):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium is installed")
    asked: list[str] = []
    with sync_api.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        for name in ("index", "reference/configuration", "reference/terms", "explanation/engine"):
            page.goto((site / f"{name}.html").as_uri())
            page.wait_for_timeout(200)
            assert page.locator("h1").first.inner_text()
        browser.close()
    assert asked
    assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
