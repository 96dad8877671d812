"""Who knows how hard a problem is? python benchmarks/levels.py --model NAME --train JSONL --heldout JSONL --out JSON

Three estimates of a level are fitted to the same training problems: by word counts (metrics/difficulty.py), and read
out of a model's hidden states (metrics/levels.py), as the reward reads them and as qgen.evaluate does. They are tried
on real problems that none was fitted to, and on outputs that were read one by one (read/*.jsonl in benchmarks/results).
Of two outputs that were asked for at the same level, one found at that level by its reader and one not: how often does
the first lie nearer to the level's band (ties count half; .5 is chance)? Where readers gave a level, it is beside the
estimates. key=value after them changes the config, such as model.dtype=bfloat16. With --show it prints what JSON holds.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from qgen import data
from qgen.data.prompts import spread
from qgen.evaluation.measuring import DEPTH as JUDGED
from qgen.mathematics.problem import Problem
from qgen.metrics.difficulty import DifficultyModel
from qgen.metrics.levels import LevelModel, States
from qgen.models.model import load_plain
from qgen.reporting.tables import plain_table, show
from qgen.rewards.band import DEPTH as REWARDED
from qgen.rewards.base import Base
from qgen.rewards.registry import readable
from qgen.runs.files import read_json, rows, write_json
from qgen.settings.compose import composed

READ = Path(__file__).parent / "results"
DRAWS = 1000  # of the outputs that were read, for the interval


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="qwen_coder", help="of the group model")
    parser.add_argument("--train", type=Path, help="real problems with levels, to which estimates are fitted")
    parser.add_argument("--heldout", type=Path, help="others, on which they are tried")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--fitted", type=int, default=1200, help="problems that are fitted to")
    parser.add_argument("--tried", type=int, default=300, help="held-out problems that are tried")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("overrides", nargs="*", default=[])
    given = parser.parse_intermixed_args()
    if not given.show:
        write_json(given.out, measured(given))
    found = read_json(given.out)
    table = plain_table(
        f"levels by {found['model']}, fitted to {found['fitted']} real problems: on {found['tried']} others, and on "
        f"{found['read']} outputs that were read"
    )
    for column in ("", "rho", "in band: real", "at level", "not", "tells these apart"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for row in found["estimates"]:
        shares = [f"{row[key]:.0%}" for key in ("real", "at level", "not at level")]
        value, low, high = row["within"]
        table.add_row(row["by"], f"{row['spearman']:.2f}", *shares, f"{value:.2f} ({low:.2f}–{high:.2f})")
    apart = f"the errors of the last two on real problems have a correlation of {found['errors']:.2f}"
    show(table, apart, *beside_readers(found))


def beside_readers(found: dict) -> list[str]:
    """What the estimates make of outputs beside the levels that readers gave them."""
    lines = []
    for row in found["estimates"]:
        if seen := row.get("seen"):
            each = [f"{level}: {own:.1f} ({real:.1f}, {n})" for level, (n, own, real) in seen["levels"].items()]
            lines.append(
                f"{row['by']}: a rank correlation of {seen['spearman']:.2f} with the levels that readers gave; mean "
                f"estimate of these (of real problems of the level, how many outputs): {', '.join(each)}"
            )
    return lines


def measured(given: argparse.Namespace) -> dict:
    config = composed(["stage=grpo", f"model={given.model}", *given.overrides])
    train = some(given.train, given.fitted)
    seen = {p.statement for p in train}
    heldout = [p for p in some(given.heldout, given.tried) if p.statement not in seen]
    model, tokenizer = load_plain(config.model, config.seed)
    base = Base(model, tokenizer, config.prompt, 16)
    judge = Base(model, tokenizer, replace(config.prompt, solve=config.prompt.judge_solve), 16)
    outputs = [row for file in sorted(READ.rglob("read/*.jsonl")) for row in rows(file)]
    good = readable([row["text"] for row in outputs])
    read = [(good[i].statement, row["level"], bool(row["level_ok"])) for i, row in enumerate(outputs) if i in good]
    told = [
        (good[i].statement, row["level_seen"]) for i, row in enumerate(outputs) if i in good and row.get("level_seen")
    ]
    models = {
        "word counts": LevelModel(train, words(train)),
        "read by the reward": base.levels(train, REWARDED),
        "read by the judge": judge.levels(train, JUDGED),
    }
    found, off = [], []
    for name, levels in models.items():
        own = levels.estimates([p.statement for p in heldout])
        asked = np.array([p.level for p in heldout])
        off.append(own - np.polyval(np.polyfit(asked, own, 1), asked))
        found.append({"by": name, **tried(levels, own, asked, read), "seen": by_reader(levels, own, asked, told)})
    return {"model": given.model, "fitted": len(train), "tried": len(heldout), "read": len(read), "estimates": found,
            "errors": float(np.corrcoef(off[1], off[2])[0, 1])}  # fmt: skip


def some(file: Path, count: int) -> list[Problem]:
    """Problems of a file, as evenly as can be from each topic and level."""
    problems = data.load(composed(["stage=grpo", "data=jsonl", f"data.path={file}"]).data).train
    return spread(problems, min(count, len(problems)), 0)


def words(train: list[Problem]) -> States:
    """What word counts make of statements; of those that they are fitted to, held out."""
    model = DifficultyModel(train)
    known = dict(zip((p.statement for p in train), model.held_out, strict=True))
    return lambda statements: [
        np.array([known.get(s, value)]) for s, value in zip(statements, model.predict(statements), strict=True)
    ]


def tried(levels: LevelModel, own: np.ndarray, asked: np.ndarray, read: list[tuple[str, int, bool]]) -> dict:
    """How an estimate does: on real problems, where it is `own`, and on outputs that were read."""
    estimates = levels.estimates([statement for statement, _, _ in read])
    outside = np.array([levels.outside(float(e), level) for e, (_, level, _) in zip(estimates, read, strict=True)])
    level, fits = (np.array([row[i] for row in read]) for i in (1, 2))
    dice = np.random.default_rng(0)
    draws = [dice.integers(len(read), size=len(read)) for _ in range(DRAWS)]
    interval = np.quantile([within(outside[d], level[d], fits[d]) for d in draws], [0.025, 0.975])
    return {
        "spearman": float(spearmanr(own, asked).statistic),
        "real": float(np.mean([levels.outside(float(e), int(a)) == 0 for e, a in zip(own, asked, strict=True)])),
        "at level": float(np.mean(outside[fits] == 0)), "not at level": float(np.mean(outside[~fits] == 0)),
        "within": [within(outside, level, fits), *map(float, interval)],
    }  # fmt: skip


def by_reader(levels: LevelModel, own: np.ndarray, asked: np.ndarray, seen: list[tuple[str, int]]) -> dict:
    """Estimates of outputs to which readers gave a level, and of real problems of that level: their means, and how the
    former are ranked."""
    estimates, given = levels.estimates([statement for statement, _ in seen]), np.array([level for _, level in seen])
    return {
        "spearman": float(spearmanr(estimates, given).statistic),
        "levels": {str(level): [int(np.sum(given == level)), float(estimates[given == level].mean()),
                                float(own[asked == level].mean())] for level in sorted(set(given.tolist()))},
    }  # fmt: skip


def within(outside: np.ndarray, level: np.ndarray, fits: np.ndarray) -> float:
    """Of the pairs of an output at its level and one that is not, both asked for at the same level: the share in which
    the first lies less far outside of the band, ties counting half."""
    won = pairs = 0.0
    for one in set(level):
        good, bad = (outside[(level == one) & (fits == fit)] for fit in (True, False))
        won += float(np.sum(good[:, None] < bad) + 0.5 * np.sum(good[:, None] == bad))
        pairs += len(good) * len(bad)
    return won / pairs


if __name__ == "__main__":
    main()
