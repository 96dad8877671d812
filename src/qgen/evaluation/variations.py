"""python -m qgen.evaluate task=variation: whose problems are varied, and what is measured of what became of them."""

from typing import Any

from qgen import data
from qgen.data import Corpus, recompute
from qgen.evaluation import varied
from qgen.evaluation.varied import ALL, SUBSET
from qgen.mathematics.equivalence import AnswerComparer
from qgen.mathematics.problem import Problem
from qgen.metrics.meaning import embedding
from qgen.metrics.similarity import SimilarityIndex
from qgen.metrics.variations import Judge
from qgen.settings.choices import Kind, Source
from qgen.settings.config import Config
from qgen.settings.data import DataConfig


def originals(config: DataConfig, corpus: Corpus) -> list[Problem]:
    """CHAMP's problems that a run was not trained on: those held out, or, of other data, those that are not near it."""
    if config.source is Source.champ:
        return corpus.heldout
    champ = data.load(DataConfig(source=Source.champ))
    problems = [*champ.train, *champ.heldout]
    near = SimilarityIndex(p.statement for p in corpus.train).nearest([p.statement for p in problems])[0]
    return [p for p, value in zip(problems, near, strict=True) if value < config.near_duplicate]


def measured(
    run: Config, corpus: Corpus, of: list[Problem], asked: list[dict], texts: dict[str, list[str]], times: int,
    strict: bool,
) -> dict[str, Any]:  # fmt: skip
    """The figures of what each model wrote, of SymPy's parameter changes and of the controls.

    Args:
        of: the problem that each request asks to vary.
        asked: the requests.
        texts: by model, an output a request, `times` times over.
        strict: raise ImportError where the embedded MiniLM is absent, instead of taking TF-IDF.
    """
    embed, name = embedding([p.statement for p in corpus.train], strict)
    agreement = AnswerComparer()
    judge = Judge(corpus.train, embed, lambda pairs: recompute.agree(pairs, agreement))
    kinds, unique = [Kind[row["kind"]] for row in asked], list({p.id: p for p in of}.values())
    rows = [varied.by_model(who, of * times, kinds * times, own) for who, own in texts.items()]
    if changes := [pair for of_one in recompute.pairs(unique, run.seed) for pair in of_one]:
        rows.append(varied.by_sympy(changes))
    rows += varied.controls(of, kinds, unique)
    return {
        "originals": len(unique),
        "semantic": name,
        "related": round(judge.related, 4),
        "spearman": judge.levels and round(judge.levels.spearman, 4),
        "rows": varied.results(judge, rows),
    }


def notes(result: dict[str, Any]) -> list[str]:
    """What a person should know of the figures: how they were found, and what was wrong most often."""
    lines = [
        f"valid: related by {result['semantic']} (above {result['related']:.2f}), no copy, and what its kind demands "
        f"(metrics/variations.py); d: Vendi score of {SUBSET} valid ones over {SUBSET}, where there are {2 * SUBSET}"
    ]
    if result["spearman"] is not None:
        lines.append(f"harder and easier rest on a regressor of rank correlation {result['spearman']:.2f} with levels")
    for row in result["rows"]:
        own = row["kinds"].get(ALL, {})
        if row["kind"] == "model" and own["faults"]:
            wrong = ", ".join(f"{count} {fault}" for fault, count in own["faults"].items())
            near = (
                f"similarity to the original {own['semantic']:.2f}, in form {own['structural']:.2f}; "
                if (own["problems"])
                else ""
            )
            lines.append(f"{row['name']}: {near}not valid of {own['outputs']}: {wrong}")
    return lines
