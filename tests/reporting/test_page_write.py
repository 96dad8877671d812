"""The page of runs as they are found: whole, single stages, sweeps, killed, evaluated or not, and hostile."""

import json
import re
import shutil
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
import specimen
from conftest import CUBES, DIGITS, SPHERES, composed

from qgen.data import Corpus
from qgen.mathematics.problem import parse
from qgen.mathematics.programmed import Computed
from qgen.programs import Outcome
from qgen.proofs.votes import Votes
from qgen.reporting.page import write
from qgen.reporting.page.runs import read
from qgen.runs.files import append, write_json

CORPUS = Corpus([SPHERES, DIGITS], [CUBES], 3)


class Page(HTMLParser):
    """What a page holds, as a browser would parse it: tags, attributes, text by section."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.attributes, self.text, self.section = [], [], {}, ""
        self.inside = {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag == "section":
            self.section = dict(attrs)["id"]
        self.inside.setdefault(self.section, []).append(tag)
        if tag in ("td", "th", "small", "li", "p"):
            self.handle_data(" ")

    def handle_data(self, data):
        self.text[self.section] = self.text.get(self.section, "") + data

    def tags_in(self, section: str) -> list[str]:
        return self.inside[section]

    def says(self, section: str) -> str:
        return re.sub(r"\s+", " ", self.text[section])


def page(*homes: Path, corpus: Corpus | None = CORPUS) -> Page:
    out = write(list(homes), homes[0].parent / "report.html", corpus)
    return Page(out.read_text(encoding="utf-8"))


def cards(page: Page) -> int:
    return sum(name == "data-parses" for _, name, _ in page.attributes)


def test_a_whole_run(tmp_path):
    found = page(specimen.run(tmp_path / "outputs" / "quick"))
    summary = found.says("summary")
    assert "quick trained SmolLM2-135M-Instruct" in summary
    assert "on 2 problems of" in summary
    assert "(1 more are held out): sft (20 steps), then grpo (20 steps), then distill (20 steps)" in summary
    assert "for 6 min 54 s on the CPU" in summary
    assert "0% → 50%" in summary
    assert "2.000 → 1.400" in summary
    assert "24% validation" in summary
    assert "rank correlation with the real levels is 0.26" in summary
    assert "Not evaluated yet, so a small change may be chance" in summary
    assert "python -m qgen.evaluate run=" in summary
    curves = found.says("curves")
    for title in ("Loss", "Policy objective", "Training reward", "Format yield", "novelty", "Memory", "Learning rate",
                  "Memory by phase", "Time a step by phase"):  # fmt: skip
        assert title in curves
    assert cards(found) == 12 * 3 + 40 * 2
    assert "sft validation 12 of 12; grpo validation 12 of 12; grpo train 40 of 40" in found.says("problems")
    assert "torch 2.13.0+cpu all" in found.says("environment")


def test_the_best_problems_are_the_last_stages_best(tmp_path):
    home = specimen.run(tmp_path / "run")
    best = page(home).says("summary").split("The best problems that distill wrote")[1]
    scores = [float(text) for text in re.findall(r"reward (\d\.\d\d)", best)]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert best.count("distill, validation, step 20") == 3


def test_the_nearest_problem_stands_beside_each(tmp_path):
    text = f"Problem: {DIGITS.statement}\nAnswer: 210"
    home = specimen.stage(tmp_path / "r" / "sft", samples=[specimen.sample(0, "validation", 20, text)])
    found = page(home).says("problems")
    assert "similarity 1.00, a near copy" in found
    assert "digits, licence unknown, trained on" in found


def test_without_its_problems_the_page_says_so(tmp_path):
    mine = tmp_path / "mine.jsonl"
    mine.write_text("{}")
    home = specimen.stage(tmp_path / "r" / "sft", "sft", "data=jsonl", f"data.path={mine}")
    mine.unlink()
    found = page(home, corpus=None)
    assert "nearest real problems are not known for sft: RuntimeError" in found.says("problems")
    assert "on problems of jsonl" in found.says("summary")


def test_the_configs_problems_are_read_where_none_are_given(tmp_path):
    found = page(specimen.stage(tmp_path / "r" / "sft"), corpus=None)
    assert "205 problems of CHAMP (36 more are held out)" in found.says("summary")
    assert re.search(r"CHAMP P_\S+, licence MIT, (trained on|held out)", found.says("problems"))


@pytest.mark.parametrize(
    ("ran", "agree", "proof", "says"),
    [
        (None, None, None, ""),
        (True, 1.0, "computed", "4 of 4 attempts arrive at this answer; its program gives it"),
        (True, 0.0, "refuted", "0 of 4 attempts arrive at this answer; 4 at 7; its program gives it"),
        (True, None, "stated", "its program gives it"),
        (False, 1.0, "voted", "4 of 4 attempts arrive at this answer; its program gives it, in floats"),
        (None, 1.0, "voted", "4 of 4 attempts arrive at this answer"),
        (None, 0.5, "stated", "2 of 4 attempts arrive at this answer; 2 at 7"),
    ],
)
def test_a_problem_tells_what_proves_it(tmp_path, ran, agree, proof, says):
    program = Outcome("42", exact=bool(ran))
    computed = Computed(parse(specimen.completion(0)), program, "31", True)
    votes = agree is not None and Votes(agree, 1 - agree, 0.0, "" if agree == 1 else "7", 4)
    facts = ({} if ran is None else {"program": computed.plain()}) | ({"votes": votes.plain()} if votes else {})
    home = specimen.stage(tmp_path / "r" / "sft", samples=[specimen.sample(0, "validation", 20, **facts)])
    (line,) = [value for _, name, value in page(home).attributes if name == "data-line"]
    assert json.loads(line).get("proof") == proof
    assert json.loads(line)["statement"] == computed.problem.statement
    told = page(home).says("problems")
    assert says in told
    assert (f"{proof} reward" in told) == bool(proof)  # its badge
    assert "runner_up" not in told


def test_a_killed_stage_is_marked(tmp_path):
    home = specimen.stage(tmp_path / "r" / "grpo", "grpo", finished=False)
    with (home / "metrics.jsonl").open("a") as file:
        file.write('{"loss": 1.2, "st')
    (home / "samples.jsonl").open("a").write('{"mode": "tr')
    (home / "environment.json").write_text('{"qgen": "0.')
    found = page(home).says("summary")
    assert "grpo unfinished" in found
    assert "10 of 20 steps" in found
    assert "grpo is unfinished: 10 of 20 steps were done and no summary was written" in found


def test_a_stage_that_wrote_only_its_config(tmp_path):
    home = specimen.stage(tmp_path / "r" / "sft")
    for file in home.iterdir():
        if file.name != "config.yaml":
            file.unlink()
    found = page(home)
    assert "sft unfinished" in found.says("summary")
    assert "No step was logged" in found.says("curves")
    assert "none: no sample was written" in found.says("problems")
    assert "No environment was recorded" in found.says("environment")


def test_an_earlier_step_that_was_kept_and_an_early_end_are_told(tmp_path):
    rows = [specimen.sample(i, "validation", step) for step in (10, 20) for i in range(4)]
    home = specimen.stage(tmp_path / "r" / "sft", samples=rows)
    append(home / "validation.jsonl", [{"step": 10, "format_yield": 0.9, "reward": 0.8, "heldout_loss": 1.0}])
    summary = json.loads((home / "summary.json").read_text())
    write_json(home / "summary.json", summary | {"kept_step": 10, "stopped": "the reward fell for 3 validations"})
    found = page(home)
    assert "sft kept the adapter of step 10" in found.says("summary")
    assert "sft ended early: the reward fell for 3 validations" in found.says("summary")
    assert "0% → 90%" in found.says("summary")
    assert "validation, step 10" in found.says("problems")
    assert "validation, step 20" not in found.says("problems")


def test_an_evaluation_is_shown_and_its_verdicts_stand_in_the_summary(tmp_path):
    home = specimen.run(tmp_path / "run")
    (home / "evaluation").mkdir()
    write_json(home / "evaluation" / "evaluation.json", specimen.evaluation())
    found = page(home)
    summary, shown = found.says("summary"), found.says("evaluation")
    assert "+69 points (+62 to +75) better, larger than chance" in summary
    assert "+0.009 (+0.002 to +0.016) worse, larger than chance" in summary
    assert "+5 points (−3 to +13) may be chance" in summary
    assert "The evaluation of run has metrics that failed their own test and cannot be believed here: rigour" in summary
    assert "Not evaluated yet" not in summary
    assert "against truncate: AUROC 0.97" in shown
    assert "rigour ↑ ✗ failed its own test" in shown
    assert (
        shown.index("base model") < shown.index("distill model") < shown.index("real real") < shown.index("copy cont")
    )
    assert "1.5% 0 to 6.5%" in shown
    assert "The embedded solver answers 0 % of real problems" in shown


def test_a_broken_evaluation_is_none(tmp_path):
    home = specimen.run(tmp_path / "run")
    (home / "evaluation").mkdir()
    (home / "evaluation" / "evaluation.json").write_text('{"metrics": [')
    assert "Nothing was evaluated yet" in page(home).says("evaluation")


def test_a_sweeps_jobs_are_overlaid(tmp_path):
    home = tmp_path / "multirun" / "steps"
    for steps in (20, 100, 50):
        specimen.stage(home / f"stage.max_steps={steps}", "grpo", steps=steps)
    (home / "manifest.jsonl").write_text("{}\n")
    assert [run.name for run in read([home])] == [f"stage.max_steps={n}" for n in (20, 50, 100)]
    found = page(home)
    assert "3 runs beside each other. Their configs differ in stage.max_steps." in found.says("summary")
    assert found.says("curves").count("Training reward") == 1
    names = {value for tag, name, value in found.attributes if name == "data-name" and "training" in value}
    assert names == {f"stage.max_steps={n}, training" for n in (20, 50, 100)}
    assert "stage.max_steps differs" in found.says("config")


def test_runs_of_one_name_are_told_apart(tmp_path):
    first, second = specimen.run(tmp_path / "a" / "x"), specimen.run(tmp_path / "b" / "x")
    labels = [stage.label for run in read([first, second, first]) for stage in run.stages]
    assert labels[:4] == ["a/x/sft", "a/x/grpo", "a/x/distill", "b/x/sft"]
    assert len(labels) == len(set(labels)) == 6


def test_runs_that_do_not_compare_are_told(tmp_path):
    homes = [specimen.stage(tmp_path / name / "sft") for name in ("a", "b")]
    for home, data in zip(homes, ("1f", "2e"), strict=True):
        write_json(home / "environment.json", {"heldout": data, "git": "abc"})
    found = page(*homes)
    assert "not all validated on the same held-out problems" in found.says("summary")
    assert "heldout differs 1f a/sft 2e b/sft" in found.says("environment")
    assert "git abc all" in found.says("environment")


def test_what_the_config_changed(tmp_path):
    home = specimen.stage(tmp_path / "r" / "sft", "sft", "stage.learning_rate=0.5", "reward.terms.rigor.weight=0.7")
    found = page(home).says("config")
    default = composed("stage=sft").stage.learning_rate
    assert f"stage.learning_rate {default} 0.5 all" in found
    assert "reward.terms.rigor.weight 0.2 0.7 all" in found
    assert "run_name" not in found


@pytest.mark.parametrize("made", ["nothing", "empty", "other"])
def test_a_directory_without_a_run_is_an_error(tmp_path, made):
    home = tmp_path / "x"
    if made != "nothing":
        home.mkdir()
    if made == "other":
        (home / "sft").mkdir()
        (home / "sft" / "train.log").write_text("it failed")
    with pytest.raises(RuntimeError, match=r"x.*(there is no such directory|holds no run)"):
        write([home], tmp_path / "report.html", CORPUS)
    assert not (tmp_path / "report.html").exists()


def test_hostile_text_stays_text_wherever_it_stands(tmp_path):
    evil = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'\u202e"
    rows = [
        specimen.sample(0, "validation", 20, text, topic=evil, level=evil, votes={evil: evil})
        for text in (*specimen.HOSTILE, evil)
    ]
    home = specimen.stage(tmp_path / "<b onload=x>'\"" / "sft", samples=rows)
    with (home / "config.yaml").open("a") as file:
        file.write(f"evil: {json.dumps(evil)}\n")
    append(home / "memory.jsonl", [{"node": evil, "step": 20, "reserved": 2**30, "device": evil, "peak": 2**30}])
    append(home / "metrics.jsonl", [{"step": 21, f"terms/{evil}": 0.5}])
    write_json(home / "environment.json", {evil: evil, "packages": {evil: evil}})
    summary = json.loads((home / "summary.json").read_text())
    write_json(home / "summary.json", summary | {"stopped": evil})
    told = specimen.evaluation() | {"notes": [evil], "device": evil}
    told["rows"][0] |= {"name": evil, "kind": evil}
    told["metrics"][0] |= {"label": evil, "explain": evil, "control": evil}
    (home / "evaluation").mkdir()
    write_json(home / "evaluation" / "evaluation.json", told)
    found = page(home)
    assert found.tags.count("script") == 1
    assert found.tags.count("style") == 1
    assert not {"img", "iframe", "svg onload", "object", "embed", "link", "base"} & set(found.tags)
    for tag, name, value in found.attributes:
        assert not name.startswith("on")
        assert name not in ("src", "action", "formaction", "srcset", "style")
        if name == "href":
            assert re.fullmatch("#[a-z]+", value), (tag, value)
        if name == "data-file":  # of the file that is downloaded
            assert re.fullmatch(r"b-onload-x[\w.-]*-problems\.jsonl", value)
    text = (home.parent / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert not re.search("[\x00-\x08\x0b-\x1f\u2028-\u202e\ud800-\udfff]", text)
    for section in ("summary", "curves", "evaluation", "problems", "config", "environment"):
        assert "<script>alert('x')</script>" in found.says(section), section


def test_a_large_run_stays_small_and_quick(tmp_path):
    long = "Problem: What is $" + "x_{1}^{2}+" * 120 + "1$ worth, if all of them are 1?\nAnswer: 3\n" + "$a^b$ " * 2000
    rows = [specimen.sample(i, "train", i // 16, long if i % 9 == 0 else None) for i in range(14_000)]
    rows += [specimen.sample(i, "validation", 100) for i in range(64)]
    home = specimen.stage(tmp_path / "r" / "grpo", "grpo", steps=5000, samples=rows)
    began = time.perf_counter()
    found = page(home)
    assert time.perf_counter() - began < 20
    assert (home.parent / "report.html").stat().st_size < 3e6
    assert "grpo train 100 of 14,000" in found.says("problems")
    assert cards(found) == 132


def test_a_large_sweep_stays_small(tmp_path):
    one = specimen.stage(tmp_path / "m" / "job0", "grpo", steps=300)
    for i in range(1, 40):
        shutil.copytree(one, tmp_path / "m" / f"job{i}")
    page(tmp_path / "m")
    assert (tmp_path / "report.html").stat().st_size < 10e6


def test_the_page_replaces_itself_and_leaves_nothing_else(tmp_path):
    home = specimen.stage(tmp_path / "r" / "sft")
    out = tmp_path / "new" / "report.html"
    assert write([home], out, CORPUS) == write([home], out, CORPUS) == out
    assert [file.name for file in out.parent.iterdir()] == ["report.html"]
