"""What a run's models write to be taught: the base and each finished stage answer the same requests, unfiltered."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qgen.evaluation import outputs
from qgen.mathematics.problem import Problem
from qgen.settings.evaluate import EvaluateConfig
from qgen.settings.teach import TeachConfig
from qgen.teach.sets import ProblemSet

if TYPE_CHECKING:
    from qgen.data import Corpus
    from qgen.teach.contamination import Contamination


def written(
    config: TeachConfig, corpus: "Corpus", contamination: "Contamination", wanted: set[str]
) -> dict[str, ProblemSet]:
    """The problems of each model that is wanted: base, sft, grpo, distill, as far as they are there.

    Requests are like the training problems. Each model writes n texts a round, until n of them are problems or
    config.rounds is over; what is no problem, or is too near to the test, is counted and left out, nothing else.
    """
    from qgen.data.prompts import requests
    from qgen.models.model import load_plain
    from qgen.proofs import reading

    candidates, _ = outputs.candidates(EvaluateConfig(run=str(config.paths[0])))
    run = candidates[0].config
    for candidate in candidates:
        outputs.same_problems(candidate, run, corpus)
    asked = requests(run.prompt, corpus.train, config.n, run.seed)
    loaded = load_plain(run.model, run.seed)
    sampling = replace(run.sampling, batch_size=config.batch_size)
    found: dict[str, ProblemSet] = {}
    left = [candidate for candidate in candidates if candidate.name in wanted]
    for rounds in range(1, config.rounds + 1):
        if not left:
            break
        path = config.home / "written.jsonl"
        texts = outputs.outputs(left, loaded, asked, sampling, list(range(rounds)), path)
        for candidate in left:
            each = [text for block in texts[candidate.name] for text in block["texts"]]
            found[candidate.name] = _problems(candidate.name, reading.read(each), asked, contamination)
        left = [candidate for candidate in left if len(found[candidate.name].problems) < config.n]
    return found


def _problems(name: str, read: list, asked: list[dict], contamination: "Contamination") -> ProblemSet:
    """What was read, with the topics and levels that were asked for."""
    requests = (asked[i % len(asked)] for i in range(len(read)))
    problems = [
        replace(found, topic=request["topic"], level=request["level"], id=f"{name}-{i}")
        for i, (found, request) in enumerate(zip(read, requests, strict=True))
        if isinstance(found, Problem)
    ]
    clean, dropped = contamination.without(problems)
    dropped = Counter({"no problem": len(read) - len(problems)}) + dropped
    return ProblemSet(clean, len(read), dropped)


def corpus_of(run: Path) -> "Corpus":
    """What a run was trained on and held out."""
    from qgen import data
    from qgen.runs import rundir

    config = rundir.config_at(rundir.finished_stages(run)[0])
    return data.load(config.data, config.prompt)
