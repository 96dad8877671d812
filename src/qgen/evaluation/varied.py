"""The measures of variations: their yield and the diversity of the valid ones, by kind, beside controls.

A pair, never one score: whoever writes one good variation again and again has the yield, and whoever writes anything at
all the diversity.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qgen.adversary.controls import number_swap
from qgen.mathematics.problem import Fault, Problem
from qgen.metrics.diversity import vendi_share
from qgen.metrics.intervals import Interval, around, proportion
from qgen.metrics.variations import Judge
from qgen.proofs import reading
from qgen.settings.choices import Kind

SUBSET = 5  # valid variations whose diversity is taken; twice as many are needed
DRAWS = 40  # subsets
ALL = "all"


@dataclass(frozen=True)
class Varied:
    """What one writer made of originals, one entry an output. `kind` is model, real or control."""

    name: str
    kind: str
    originals: list[Problem]
    kinds: list[Kind]
    written: Sequence[Problem | Fault]


def by_model(name: str, originals: list[Problem], kinds: list[Kind], texts: list[str]) -> Varied:
    """What a model wrote, read: one text an original, in the same order."""
    return Varied(name, "model", originals, kinds, reading.read(texts))


def by_sympy(pairs: list[tuple[Problem, Problem]]) -> Varied:
    """Parameter changes of real problems, their answers recomputed: what the measures should find valid."""
    return Varied("recomputed", "real", [a for a, _ in pairs], [Kind.parameter] * len(pairs), [b for _, b in pairs])


def controls(originals: list[Problem], kinds: list[Kind], others: list[Problem]) -> list[Varied]:
    """What is no variation: the original itself, the original with its numbers replaced and its answer kept, and
    another real problem of its topic, as far as there is one."""
    rng = random.Random(0)

    def another(problem: Problem) -> Problem:
        different = [p for p in others if p.statement != problem.statement]
        return rng.choice([p for p in different if p.topic == problem.topic] or different)

    made = {
        "copy": originals,
        "numbers": [number_swap(p, [p], rng) for p in originals],
        "unrelated": [another(p) for p in originals],
    }
    return [Varied(name, "control", originals, kinds, written) for name, written in made.items()]


def results(judge: Judge, rows: list[Varied]) -> list[dict[str, Any]]:
    """For each row the figures of each kind and of all: outputs, yield and diversity as [value, low, high] or None, the
    mean similarity of the problems among them to their originals, and what was wrong with how many."""
    return [{"name": row.name, "kind": row.kind, "kinds": _kinds(judge, row)} for row in rows]


def _kinds(judge: Judge, row: Varied) -> dict[str, Any]:
    verdicts = judge.verdicts(row.originals, row.written, row.kinds)
    numbers = {p.statement: i for i, p in enumerate({p.statement: p for p in row.originals}.values())}
    prompts = np.array([numbers[p.statement] for p in row.originals])
    found = {}
    for kind in (*Kind, None):
        own = [i for i, asked in enumerate(row.kinds) if kind in (asked, None)]
        if not own:
            continue
        valid = np.array([verdicts[i].fault is None for i in own], dtype=float)
        valid_ones = (row.written[i] for i in own if verdicts[i].fault is None)
        texts = [p.statement for p in valid_ones if isinstance(p, Problem)]
        problems = [verdicts[i] for i in own if isinstance(row.written[i], Problem)]
        found[kind.value if kind else ALL] = {
            "outputs": len(own),
            "problems": len(problems),
            "yield": share.plain() if (share := proportion(valid, prompts[own])) else None,
            "diversity": diversity.plain() if (diversity := _diversity(judge, texts)) else None,
            "semantic": _mean([v.semantic for v in problems]),
            "structural": _mean([v.structural for v in problems]),
            "faults": dict(Counter(verdicts[i].fault for i in own if verdicts[i].fault).most_common()),
        }
    return found


def _diversity(judge: Judge, texts: list[str]) -> Interval | None:
    """The Vendi score of SUBSET valid variations over their number: the mean of subsets, with the interval of the
    delete-d jackknife (as in evaluation/protocol.py). 1 / SUBSET where all are the same."""
    if len(texts) < 2 * SUBSET:
        return None
    vectors = judge.embed(texts)
    alike = vectors @ vectors.T
    alike = np.clip(alike.toarray() if hasattr(alike, "toarray") else alike, 0.0, 1.0).astype(float)
    np.fill_diagonal(alike, 1.0)
    rng, values = np.random.default_rng(0), []
    for _ in range(DRAWS):
        drawn = rng.choice(len(texts), SUBSET, replace=False)
        values.append(vendi_share(alike[np.ix_(drawn, drawn)]))
    error = float(np.std(values) * np.sqrt(SUBSET / (len(texts) - SUBSET)))
    return around(float(np.mean(values)), error, share=True)


def _mean(values: list[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None
