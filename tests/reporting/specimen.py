"""Directories of runs as qgen leaves them, written with its own functions, without any training."""

import json
import math
import random
from pathlib import Path

from conftest import composed

from qgen.runs.files import append, rows, write_json, write_whole
from qgen.settings.config import to_yaml
from qgen.settings.stage import STAGES

GOOD = (
    "Problem: How many positive integers $n<{n}$ satisfy $n^2\\equiv 1 \\pmod{{24}}$?\nAnswer: ${m}$",
    "Problem: Let $a$ and $b$ be real numbers with $a+b={n}$ and $ab={m}$. Find $\\frac{{1}}{{a}}+\\frac{{1}}{{b}}$.\n"
    "Answer: $\\frac{{{n}}}{{{m}}}$",
    "Problem: What is the area of a triangle with sides ${n}$, ${n}$ and ${m}$, where $\\sqrt{{{n}}}$ is its height?\n"
    "Answer: {n}",
)
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    "Problem: What is $\\href{javascript:alert(3)}{x}$ plus $\\style{background:url(http://evil.test/x)}{y}$, if $x=1$?"
    "\nAnswer: 5",
    "Problem: What is $\\text{<img src=x onerror=alert(4)>}$ times $x$, where $x=2$?\nAnswer: 5",
    "<!-- \x00 \x1b[31m \u2028 \u202e reversed \ud83d \ufffe ]]> <style>*{display:none}</style>",
    "Problem: <svg onload=alert(5)> What is $x_1$ if $x_1+2=3$?\nAnswer: $1$<iframe src=//evil.test>",
    "$" + "{" * 3000 + "}" * 3000 + "$",
    "Problem: Compute $" + "\\sqrt" * 150 + "{2}$ for me, if you can do it at all?\nAnswer: " + "\\frac{" * 20,
)


def completion(i: int) -> str:
    if i % 4 == 3:
        return f"Here is a problem about numbers {i}."
    return GOOD[i % len(GOOD)].format(n=i + 30, m=i + 7)


def sample(i: int, mode: str = "train", step: int = 1, text: str | None = None, **more) -> dict:
    """A row of samples.jsonl. Every fourth does not parse and scores nothing."""
    score = 0.0 if i % 4 == 3 else round(0.3 + 0.7 * ((i * 37) % 100) / 100, 4)
    terms = {"format": float(score > 0), "difficulty": score, "novelty": score or None, "rigor": 0.5}
    topic = ("Number Theory", "Combinatorics", "Geometry")[i % 3]
    row = {"mode": mode, "step": step, "topic": topic, "level": 1 + i % 5}
    return row | {"completion": completion(i) if text is None else text, "terms": terms, "reward": score} | more


def stage(
    home: Path,
    kind: str = "sft",
    *overrides: str,
    steps: int = 20,
    samples: list[dict] | None = None,
    finished: bool = True,
    start: float = 0.0,
) -> Path:
    """One stage's directory, with figures that look like a real one's. `start` is where its quality begins."""
    home.mkdir(parents=True)
    config = composed(f"stage={kind}", f"stage.max_steps={steps}", *overrides)
    config.run_name = home.parent.name
    write_whole(home / "config.yaml", to_yaml(config))
    packages = {"torch": "2.13.0+cpu", "trl": "1.13.0"}
    write_json(home / "environment.json", {"qgen": "0.1.0", "packages": packages, "cuda": None, "device": "x86_64",
                                           "started_from": "base"})  # fmt: skip
    dice = random.Random(f"{kind}{overrides}")
    done = steps if finished else steps // 2
    for i in range(1, done + 1):
        row = {"loss": 1.3 + 0.7 / i + dice.gauss(0, 0.03), "grad_norm": 0.4, "learning_rate": 1e-3 * (1 - i / steps)}
        row |= {"entropy": 1.7, "step": i, "time": 1.79e9 + 5 * i}
        if kind == "grpo":
            quality = start + 0.3 * (1 - math.exp(-3 * i / steps)) + dice.gauss(0, 0.02)
            row |= {"reward": quality, "reward_std": 0.1, "terms/novelty": quality, "step_time": 19.0, "loss": 0.01,
                    "terms/difficulty": float("nan"), "seconds/rewards": 0.05}  # fmt: skip
        append(home / "metrics.jsonl", [row])
    for i in (0, done) if finished else (0,):
        share = i / steps
        row = {
            "format_yield": start + 0.5 * share,
            "reward": start + 0.4 * share,
            "terms/novelty": 0.5,
            "trust/difficulty": 0.2568,
            "heldout_loss": 2 - 0.6 * share,
            "seconds": 12.5,
            "step": i,
            "time": 1.79e9,
        }
        append(home / "validation.jsonl", [row])
    for node, step, size in (("model loaded", None, 0.7), ("train begins", 0, 1.3), ("step", 5, 2.1), ("step", 10, 2.8),
                             ("adapter saved", None, 3.0)):  # fmt: skip
        held = int(size * 2**30)
        row = {"node": node, "step": step, "device": "cpu", "allocated": held, "reserved": held, "peak": held}
        if node == "step":
            seconds = {"rollout": 4.0, "rewards": 0.1, "forward-backward": 2.0, "optimizer": 0.2}
            row["phases"] = {name: {"seconds": s, "reserved": int(held * s / 4)} for name, s in seconds.items()}
        append(home / "memory.jsonl", [row | {"total": 2**35, "share": size / 32}])
    if samples is None:
        samples = [sample(i, "validation", done) for i in range(12)]
        samples += [sample(i, "train", i // 8) for i in range(40)] if kind == "grpo" else []
        samples += [sample(i, "teacher", 0) for i in range(40)] if kind == "distill" else []
    append(home / "samples.jsonl", samples)
    if finished:
        pair = {key: [0.0, 0.5] for key in ("reward", "format_yield", "heldout_loss")}
        cost = {"seconds": 138.1, "validation_seconds": 33.5, "peak_memory": 4573118464, "samples": []}
        write_json(home / "summary.json", {"stage": kind, "steps": steps, "loss": [1.9, 1.4], **pair, **cost})
    return home


def run(home: Path, *overrides: str) -> Path:
    """A whole run: three stages."""
    for i, kind in enumerate(STAGES):
        stage(home / kind, kind, *overrides, start=0.2 * i)
    return home


def job(
    home: Path,
    *overrides: str,
    kind: str = "sft",
    course: list[float] | None = None,
    texts: list[str] | None = None,
    finished: bool = True,
    summary: dict | None = None,
    **kept: float,
) -> Path:
    """A sweep's job: a stage with the training losses (of grpo: rewards) and its kept validation's figures."""
    steps = len(course) if course else 20
    samples = None if texts is None else [sample(1, "validation", steps, text) for text in texts]
    stage(home, kind, *overrides, steps=steps, samples=samples, finished=finished)
    if course:
        key = "reward" if kind == "grpo" else "loss"
        (home / "metrics.jsonl").unlink()
        append(home / "metrics.jsonl", [{"step": i + 1, key: value, "time": 5.0 * i} for i, value in enumerate(course)])
    if finished:
        last = rows(home / "validation.jsonl")[-1]
        append(home / "validation.jsonl", [last | kept])
        write_json(home / "summary.json", json.loads((home / "summary.json").read_text()) | (summary or {}))
    return home


def manifest(home: Path, *jobs: tuple[str, list[str], str, str | None]) -> None:
    """A sweep's manifest.jsonl: name, overrides, status and reason of each job."""
    lines = [
        {"job": name, "index": i, "overrides": overrides, "status": status, "exit_code": int(status != "complete"),
         "seconds": 9.0, "seed": None, "path": str(home / name), "reason": reason, "log": "train.log", "metrics": {}}
        for i, (name, overrides, status, reason) in enumerate(jobs)
    ]  # fmt: skip
    append(home / "manifest.jsonl", lines)


def evaluation() -> dict:
    """What qgen.evaluate writes, by its own description."""
    kinds = {"base": "model", "sft": "model", "grpo": "model", "distill": "model", "real": "real"}
    kinds |= dict.fromkeys(("shuffle", "truncate", "copy"), "control")
    share = {"base": 0.015, "sft": 0.7, "grpo": 0.75, "distill": 0.7, "real": 0.98, "shuffle": 0.3, "truncate": 0.1}
    metrics = [
        _metric(
            "format_yield", "format yield", "share", "higher", "The share of outputs that parse.", "truncate", 0.97
        ),
        _metric("reward", "quality", "number", "higher", "The mean of the weighted reward terms.", "shuffle", 0.96),
        _metric(
            "heldout_loss", "held-out loss", "number", "lower", "Nats a token on real held-out problems.", None, None
        ),
        _metric(
            "copied", "copied", "share", "lower", "The share whose nearest real problem is a near copy.", "copy", 0.99
        ),
        _metric("vendi", "Vendi score", "number", "higher", "The effective number of different problems.", "copy", 0.9),
        _metric("length", "length", "number", "real", "Words of a statement.", None, None),
        _metric("rigor", "rigour", "share", "higher", "The share whose letters are all introduced.", "shuffle", 0.55),
    ]
    metrics[-1]["passed"] = False
    rows = []
    for name, kind in kinds.items():
        value = share.get(name, 0.9)
        values = {"format_yield": [value, max(0.0, value - 0.06), min(1.0, value + 0.05)],
                  "reward": [value * 0.8, value * 0.8 - 0.05, value * 0.8 + 0.05],
                  "heldout_loss": [2 - value * 0.9, 1.9 - value * 0.9, 2.1 - value * 0.9] if kind == "model" else None,
                  "copied": [0.02, 0.0, 0.05], "vendi": None if name == "base" else [41.3, 38.2, 44.9],
                  "length": [30 + 10 * value, 28 + 10 * value, 33 + 10 * value], "rigor": [0.5, 0.4, 0.6]}  # fmt: skip
        rows.append({"name": name, "kind": kind, "outputs": 200, "problems": round(200 * value), "values": values})
    differences = [
        {"before": "base", "after": "sft", "values": {"format_yield": [0.69, 0.62, 0.75], "reward": [0.55, 0.5, 0.6],
         "heldout_loss": [-0.62, -0.7, -0.55], "length": [6.8, 4.0, 9.9], "vendi": None, "rigor": [0.1, 0.05, 0.2]}},
        {"before": "sft", "after": "grpo", "values": {"format_yield": [0.05, -0.03, 0.13], "reward": [0.04, 0, 0.09],
         "heldout_loss": [0.004, -0.01, 0.02], "length": [0.5, -2, 3], "vendi": [2.1, -1, 5], "rigor": [0, -0.1, 0.1]}},
        {"before": "grpo", "after": "distill", "values": {"format_yield": [-0.05, -0.12, 0.03],
         "reward": [-0.09, -0.14, -0.03], "heldout_loss": [0.009, 0.002, 0.016], "length": [-0.5, -3, 2],
         "vendi": [-3, -6, -0.5], "rigor": [0, -0.1, 0.1]}},
    ]  # fmt: skip
    return {
        "run": "outputs/quickstart", "n": 200, "seeds": [0], "prompts": 200, "max_new_tokens": 192, "device": "cpu",
        "subset": 18, "metrics": metrics, "rows": rows, "differences": differences,
        "notes": ["The embedded solver answers 0 % of real problems, so nothing that needs a solver was measured."],
    }  # fmt: skip


def _metric(
    name: str, label: str, unit: str, better: str, explain: str, control: str | None, auroc: float | None
) -> dict:
    return {"name": name, "label": label, "unit": unit, "better": better, "explain": explain, "control": control,
            "auroc": auroc, "passed": None if control is None else True}  # fmt: skip
