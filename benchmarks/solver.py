"""What a solver's attempts are worth, offline: python benchmarks/solver.py ATTEMPTS_DIR --corpus JSONL --out JSON

ATTEMPTS_DIR holds words.jsonl and programs.jsonl, eight attempts a problem in a row at the same real problems (id,
statement, answer, level, topic, text, finished), as a model wrote them. They are read and counted as qgen's solver does
(qgen.proofs); of the texts nothing is kept. Programs run in the sandbox: two minutes on two cores. The regressor that
tells levels by texts is fitted to the corpus without the problems that were attempted.
"""

import argparse
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.table import Table
from scipy.stats import spearmanr
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_predict

from qgen import data
from qgen.engine.completion import Completion
from qgen.mathematics.equivalence import AnswerComparer, most_frequent
from qgen.metrics.difficulty import DifficultyModel
from qgen.metrics.intervals import auroc, proportion
from qgen.models.model import load_tokenizer
from qgen.programs import program_in
from qgen.proofs.attempts import PROGRAM, WORDS, Attempt, read
from qgen.proofs.votes import Votes, confidence, counted, settled
from qgen.reporting.tables import plain_table, show
from qgen.runs.files import rows, write_json
from qgen.settings.compose import composed
from qgen.settings.model import ModelConfig

TIMES = 8  # attempts of a kind at a problem
LENGTHS = (256, 384, 512, 768)
ROUNDS = {"4+4": (4, 4), "4+2+2": (4, 2, 2), "2+2+2+2": (2,) * 4, "one by one": (1,) * 8}
THRESHOLDS = (0.85, 0.9, 0.95, 0.98, 1.0)
WRONG = 3  # wrong answers a problem


@dataclass
class Tried:
    """The attempts at one problem, words first, and what they said."""

    statement: str
    answer: str
    level: int
    topic: str
    made: list[Attempt]
    needs: list[int]  # tokens after which an attempt has its answer
    spelled: list[str | None]
    wrong: list[tuple[str, list[str | None]]]  # answers that are not right, and what the attempts said beside each

    def mixed(self, turn: int) -> tuple[list[Attempt], list[str | None], list[int]]:
        """Four programs and four attempts in words, as a solver makes them; turn 0 or 1."""
        order = [TIMES + 4 * turn + i for i in range(4)] + [4 * turn + i for i in range(4)]
        return [self.made[i] for i in order], [self.spelled[i] for i in order], order


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attempts", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True, help="real problems with levels")
    parser.add_argument("--tokenizer", default="qwen_coder", help="a model whose tokens are counted")
    given = parser.parse_args()
    tried, counted_by = attempts(given.attempts, given.tokenizer)
    found = {
        "device": "one H200 141GB", "model": "qwen_coder", "problems": len(tried), "tokens": counted_by,
        "rates": rates(tried), "endings": endings(tried), "lengths": lengths(tried), "majority": majority(tried),
        "stopping": stopping(tried), "believed": believed(tried), "thresholds": thresholds(tried),
        "levels": levels(tried, given.corpus),
    }  # fmt: skip
    write_json(given.out, found)
    for name, table in found.items():
        if isinstance(table, list):
            show(printed(name, table))


def attempts(folder: Path, model: str) -> tuple[list[Tried], str]:
    """The attempts of a directory, read."""
    files = {WORDS: folder / "words.jsonl", PROGRAM: folder / "programs.jsonl"}
    given = [(kind, row) for kind, file in files.items() for row in rows(file)]
    size, counted_by = tokens(model)
    completions = [Completion(row["text"], size(row["text"]), row["finished"]) for _, row in given]
    made = read([kind for kind, _ in given], completions)
    needs = [_needs(kind, row, size) for kind, row in given]
    half, agreement = len(given) // 2, AnswerComparer(30.0)
    starts = range(0, half, TIMES)
    both = [[*range(i, i + TIMES), *range(half + i, half + i + TIMES)] for i in starts]
    problems = [given[i][1] for i in starts]
    said = [[made[i].answer for i in one] for one in both]
    spelled = agreement.same([p["answer"] for p in problems], said)
    wrong = [(i, answer) for i, answers in enumerate(_wrong(problems)) for answer in answers]
    beside = agreement.same([answer for _, answer in wrong], [said[i] for i, _ in wrong])
    alike = agreement.same([answer for _, answer in wrong], [[problems[i]["answer"]] for i, _ in wrong])
    agreement.close()
    by_problem = defaultdict(list)
    for (i, answer), answers, (right,) in zip(wrong, beside, alike, strict=True):
        if right != answer:  # it means something else than the right one
            by_problem[i].append((answer, answers))
    tried = []
    for number, (p, one, answers) in enumerate(zip(problems, both, spelled, strict=True)):
        ours, after = ([values[i] for i in one] for values in (made, needs))
        tried.append(
            Tried(p["statement"], p["answer"], p["level"], p["topic"], ours, after, answers, by_problem[number])
        )
    return tried, counted_by


def tokens(model: str) -> tuple[Callable[[str], int], str]:
    """What counts a text's tokens, and how, in words."""
    try:
        tokenizer = load_tokenizer(ModelConfig(name=model))
    except ImportError:
        return lambda text: round(len(text) / 2.6), "characters / 2.6, as in texts that were cut off at a known length"
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"]), f"by the tokenizer of {model}"


def _needs(kind: str, row: dict, size: Callable[[str], int]) -> int:
    """Tokens after which the answer stands there; endless where it never does."""
    text = row["text"]
    if kind == PROGRAM:
        return size(text[: text.rfind("```") + 3]) if program_in(text) else 10**9
    return size(text) + 1 if row["finished"] else 10**9


def _wrong(problems: list[dict]) -> list[list[str]]:
    """Wrong answers for each problem: two of others of its topic, and its own with its first number changed by one."""
    rng, found = random.Random(0), []
    for problem in problems:
        others = [p["answer"] for p in problems if p["topic"] == problem["topic"] and p["answer"] != problem["answer"]]
        changed = re.sub(r"\d+", lambda m: str(int(m.group()) + rng.choice((1, -1))), problem["answer"], count=1)
        found.append([*rng.sample(others, WRONG - 1), *([changed] if changed != problem["answer"] else [])])
    return found


def share(hits: list[float], problems: list[int]) -> dict[str, float]:
    found = proportion(np.array(hits, dtype=float), np.array(problems))
    return {name: round(value, 4) for name, value in vars(found).items()} if found else {}


def rates(tried: list[Tried]) -> list[dict]:
    """Share of right attempts, of each kind and mixed, by level and topic."""
    groups = {"all": tried, **{f"level {n}": [t for t in tried if t.level == n] for n in range(1, 6)}}
    groups |= {topic: [t for t in tried if t.topic == topic] for topic in sorted({t.topic for t in tried})}
    found = []
    for name, some in groups.items():
        row = {"of": name, "problems": len(some)}
        for kind, which in ((WORDS, range(TIMES)), (PROGRAM, range(TIMES, 2 * TIMES)), ("mixed", range(2 * TIMES))):
            hits = [float(t.spelled[i] == t.answer) for t in some for i in which]
            row[kind] = share(hits, [n for n in range(len(some)) for _ in which])
        found.append(row)
    return found


def endings(tried: list[Tried]) -> list[dict]:
    """How attempts ended."""
    found = []
    for kind in (WORDS, PROGRAM):
        made = [a for t in tried for a in t.made if a.kind == kind]
        counts = Counter(a.why or "answered" for a in made)
        found += [{"kind": kind, "ended": why, "share": round(n / len(made), 4)} for why, n in counts.most_common()]
    return found


def lengths(tried: list[Tried]) -> list[dict]:
    """Share of attempts with an answer, and with the right one, had their length been limited to fewer tokens."""
    found = []
    for kind, which in ((WORDS, range(TIMES)), (PROGRAM, range(TIMES, 2 * TIMES))):
        for limit in LENGTHS:
            said = [t.spelled[i] if t.needs[i] <= limit else None for t in tried for i in which]
            right = [said[n * TIMES + i] == t.answer for n, t in enumerate(tried) for i in range(TIMES)]
            spent = np.mean([min(t.made[i].tokens, limit) for t in tried for i in which])
            found.append({"kind": kind, "limit": limit, "answered": round(1 - said.count(None) / len(said), 4),
                          "right": round(float(np.mean(right)), 4), "mean tokens": round(float(spent), 1)})  # fmt: skip
    return found


def majority(tried: list[Tried]) -> list[dict]:
    """Share of problems whose most frequent answer is the right one."""
    found = []
    for name, picks in (
        ("8 in words", [slice(0, TIMES)]), ("8 programs", [slice(TIMES, 2 * TIMES)]), ("4 + 4", [0, 1]),
        ("4 in words", [slice(0, 4), slice(4, 8)]), ("4 programs", [slice(8, 12), slice(12, 16)]),
    ):  # fmt: skip
        hits, problems = [], []
        for n, t in enumerate(tried):
            for pick in picks:
                said = t.spelled[pick] if isinstance(pick, slice) else t.mixed(pick)[1]
                hits.append(said.count(t.answer) > most_frequent(said, t.answer)[0])
                problems.append(n)
        found.append({"attempts": name, **share(hits, problems)})
    return found


def stopping(tried: list[Tried]) -> list[dict]:
    """Decisions of votes that stop against those of all 8 attempts, on right and on wrong keys, and what they save."""
    found = []
    for name, plan in ROUNDS.items():
        for sure in THRESHOLDS:
            for keys in ("right", "wrong"):
                rows = [
                    _against_all(replace(t, answer=key, spelled=spelled), turn, plan, sure)
                    for t in tried
                    for key, spelled in ([(t.answer, t.spelled)] if keys == "right" else t.wrong)
                    for turn in (0, 1)
                ]
                equal, clear, attempts, tokens_left = np.mean(rows, axis=0).round(4).tolist()
                row = {"equal": equal, "clear": clear, "attempts": attempts, "tokens": tokens_left}
                found.append({"rounds": name, "sure": sure, "keys": keys, **row})
    return found


def _against_all(t: Tried, turn: int, plan: tuple[int, ...], sure: float) -> tuple[float, float, float, float]:
    """Whether the decision is that of all attempts, what that is, and the share of attempts and tokens it took."""
    attempts, said, _ = t.mixed(turn)
    count = _stop(t.answer, attempts, said, plan, sure)
    full = counted(t.answer, attempts, said).solvable
    same = counted(t.answer, attempts[:count], said[:count]).solvable == full
    spent = sum(a.tokens for a in attempts[:count]) / sum(a.tokens for a in attempts)
    return float(same), float(full), count / len(attempts), spent


def _stop(key: str, attempts: list[Attempt], said: list[str | None], plan: tuple[int, ...], sure: float) -> int:
    count = 0
    for step in plan:
        count += step
        if settled(counted(key, attempts[:count], said[:count]), len(attempts) - count, sure):
            break
    return count


def believed(tried: list[Tried]) -> list[dict]:
    """How well figures of the votes tell a problem's right answer from a wrong one (area under the ROC curve)."""
    right, wrong = both(tried)
    measures = {
        "confidence": lambda v: v.confidence,
        "confidence, more than half silent: 0": lambda v: v.confidence * (v.unanswered <= 0.5),
        "share that agrees": lambda v: v.agree,
        "s / (s + q)": lambda v: v.agree / (v.agree + v.runner_up) if v.agree else 0.0,
        "solvable": lambda v: float(v.solvable),
    }
    found = []
    for name, measure in measures.items():
        first, second = (np.array([measure(v) for v in some]) for some in (right, wrong))
        value = auroc(first, second)
        found.append({"measure": name, "auroc": round(float(getattr(value, "value", value)), 4)})
    return found


def thresholds(tried: list[Tried]) -> list[dict]:
    """Of problems with a right or a wrong key: how many are solvable at each threshold; and of problems whose most
    frequent answer is as clear, whatever the key, how many have the right one there."""
    right, wrong = both(tried)
    tops = [_top(t, turn) for t in tried for turn in (0, 1)]
    found = []
    for clear in (0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95):
        for silent in (0.25, 0.5, 0.75):
            passed = [[v.confidence >= clear and v.unanswered <= silent for v in some] for some in (right, wrong)]
            led = [hit for hit, c, u in tops if c >= clear and u <= silent]
            found.append({"confidence": clear, "silent": silent, "right keys": round(float(np.mean(passed[0])), 4),
                          "wrong keys": round(float(np.mean(passed[1])), 4), "clear answers": len(led),
                          "of them right": round(float(np.mean(led)), 4)})  # fmt: skip
    return found


def both(tried: list[Tried]) -> tuple[list[Votes], list[Votes]]:
    """Votes of 4 + 4 attempts on the right keys and on the wrong ones."""
    right = [counted(t.answer, *t.mixed(turn)[:2]) for t in tried for turn in (0, 1)]
    wrong = [
        counted(key, *replace(t, spelled=spelled).mixed(turn)[:2])
        for t in tried for key, spelled in t.wrong for turn in (0, 1)
    ]  # fmt: skip
    return right, wrong


def levels(tried: list[Tried], corpus: Path) -> list[dict]:
    """Rank correlations with a problem's level: of what its text tells, of its ease, of both (least squares, in ten
    folds), and of the tokens of an attempt in words. Of all problems, and of those whose 4 + 4 votes are clear."""
    attempted = {t.statement for t in tried}
    known = [
        p for p in data.load(composed(["data=jsonl", f"data.path={corpus}"]).data).train if p.statement not in attempted
    ]
    texts = DifficultyModel(known).predict([t.statement for t in tried])
    votes = [[counted(t.answer, *t.mixed(turn)[:2]) for turn in (0, 1)] for t in tried]
    eases = np.array([np.mean([v.agree for v in two]) for two in votes])
    words = np.array([np.mean([a.tokens for a in t.made if a.kind == WORDS]) for t in tried])
    level, clear = np.array([t.level for t in tried]), np.array([all(v.solvable for v in two) for two in votes])
    found = []
    for name, of in (("all", np.ones(len(tried), bool)), ("clear", clear)):
        features, folds = np.column_stack([texts, eases])[of], KFold(10, shuffle=True, random_state=0)
        both = cross_val_predict(LinearRegression(), features, level[of], cv=folds)
        measures = {"text": texts[of], "ease": -eases[of], "both": both, "words": words[of]}
        rho = {key: round(float(spearmanr(level[of], values).statistic), 4) for key, values in measures.items()}
        found.append({"of": name, "problems": int(of.sum()), **rho})
    return found


def _top(t: Tried, turn: int) -> tuple[bool, float, float]:
    """Whether the most frequent answer is right, its confidence, and the share of attempts without one."""
    _, said, _ = t.mixed(turn)
    counts = Counter(answer for answer in said if answer is not None).most_common(2)
    if not counts:
        return False, 0.0, 1.0
    return (
        counts[0][0] == t.answer,
        confidence(counts[0][1], counts[1][1] if len(counts) > 1 else 0),
        said.count(None) / len(said),
    )


def printed(name: str, found: list[dict]) -> Table:
    """Figures as a table; shares with intervals as 'value (low to high)'."""
    table = plain_table(name)
    for column in found[0]:
        table.add_column(column)
    for row in found:
        table.add_row(*(_cell(value) for value in row.values()))
    return table


def _cell(value) -> str:
    if isinstance(value, dict):
        return f"{value['value']:.3f} ({value['low']:.2f}–{value['high']:.2f})" if value else "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
