"""The arms: what each solver is taught, beside the controls that would unmask a gain that is none."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from qgen import data
from qgen.mathematics.problem import Problem
from qgen.proofs import verification
from qgen.proofs.proof import COMPUTED, VOTED
from qgen.runs.files import read_json, write_json
from qgen.settings.compose import CONF, composed, quoted
from qgen.settings.teach import SETS, TeachConfig
from qgen.settings.verify import VerifyConfig
from qgen.teach import sets
from qgen.teach.contamination import Contamination
from qgen.teach.sets import ProblemSet
from qgen.teach.writing import corpus_of, written

EXPLAIN = {
    "untrained": "the solver as it is",
    "one": "one of the problems alone",
    "form": "the problems, paid for the form of an answer, right or wrong",
    "real": "real problems of the same topics and levels",
    "shuffled": "the real problems with one another's answers",
    "problems": "the file's problems",  # and where there are several, a file's
    "base": "what the untrained writer wrote",
    "sft": "what the writer wrote after sft",
    "grpo": "what the writer wrote after grpo",
    "distill": "what the writer wrote after distill",
    "proved": "those whose answers the solver's votes confirm",
}


@dataclass(frozen=True)
class Arm:
    """A set of problems and what is paid for. An arm without problems is not trained."""

    name: str
    taught: ProblemSet | None


@dataclass(frozen=True)
class Experiment:
    """What is taught and what it is tested on."""

    arms: list[Arm]
    test: list[Problem]
    notes: list[str]


def experiment(config: TeachConfig) -> Experiment:
    """The arms that are wanted and can be had, in their order.

    Raises RuntimeError where there are no problems to teach, or none to test on.
    """
    first = config.paths[0]
    run = first if first.is_dir() else None
    known = corpus_of(run) if run else data.load(composed([]).data)
    test = sets.read(config.test, config.fields).problems if config.test else known.heldout
    contamination = Contamination(test)
    wanted = set(config.arms or config.order)
    if run:
        pools = written(config, known, contamination, _written_for(wanted))
    else:
        files = zip(config.names, config.paths, strict=True)
        pools = {name: _clean(sets.read(str(path), config.fields), contamination) for name, path in files}
    needed = list(pools.values())[-1:] if run else list(pools.values())  # of a run the last, which is the measure
    if not needed or not all(pool.problems for pool in needed):
        why = "; ".join(f"{name}: {dict(pool.left_out)}" for name, pool in pools.items())
        raise RuntimeError(f"problems={config.problems}: no problem is left to teach ({why})")
    real = sets.read(config.real, config.fields) if config.real else ProblemSet(known.train)
    found = dict(_arms(config, pools, _clean(real, contamination), "proved" in wanted))
    there = [name for name in config.order if name in found or name == "untrained"]
    arms = [Arm(name, found.get(name)) for name in there if name in wanted]
    if missing := [name for name in config.arms if name not in {arm.name for arm in arms}]:
        raise RuntimeError(f"arms: {config.problems} has no {missing[0]}; it has {', '.join(['untrained', *found])}")
    notes = [f"{arm.name}: {arm.taught.note}" for arm in arms if arm.taught and arm.taught.note]
    if not contamination.embed:
        notes.append("MiniLM is missing: problems that repeat the test's in other words were not looked for")
    return Experiment(arms, test, notes)


def _written_for(wanted: set[str]) -> set[str]:
    """The models that must write for these arms: all, as the last one's problems are the others' measure."""
    return set(SETS) if wanted & {"one", "form", "real", "shuffled", "proved"} else wanted & set(SETS)


def _arms(
    config: TeachConfig, pools: dict[str, ProblemSet], real: ProblemSet, proved: bool
) -> Iterator[tuple[str, ProblemSet]]:
    """What each arm is taught. The last pool is what the others are measured by."""
    last = list(pools)[-1]
    pools = {name: replace(p, problems=sets.chosen(p.problems, config.n)) for name, p in pools.items() if p.problems}
    main = pools[last]
    yield "one", replace(main, problems=[random.Random(0).choice(main.problems)])
    yield "form", main
    if real.problems:
        same, exact = sets.matched(main.problems, real.problems)
        yield "real", replace(real, problems=same, note=f"{exact} of {len(same)} have a match in topic and level")
        yield "shuffled", replace(real, problems=sets.shuffled(same))
    yield from pools.items()
    if proved and (known := _proved(config, main)).problems:
        yield "proved", known


def _proved(config: TeachConfig, pool: ProblemSet) -> ProblemSet:
    """Those of a pool whose answers the votes of the solver that is taught clearly confirm."""
    file = config.home / "pool.jsonl"
    sets.write(pool.problems, file)
    _, verdicts = verification.verify(VerifyConfig(file=str(file), solver=model(config.solver)))
    proofs = {row["id"]: row["proof"] for row in verdicts}
    known = [p for i, p in enumerate(pool.problems) if proofs.get(f"{i}-0-{p.id}") in (COMPUTED, VOTED)]
    note = f"{len(known)} of {len(pool.problems)} problems are proved"
    return replace(pool, problems=known, note=note)


def model(solver: str) -> str:
    """The name of the model that a solver is."""
    return composed(chosen(solver)).model.name


def chosen(solver: str) -> list[str]:
    """The overrides that choose a solver: a file of conf/model, or else a directory or a hub name."""
    return [f"model={solver}"] if (CONF / "model" / f"{solver}.yaml").is_file() else [f"model.name={quoted(solver)}"]


def _clean(found: ProblemSet, contamination: Contamination) -> ProblemSet:
    problems, dropped = contamination.without(found.problems)
    return replace(found, problems=problems, left_out=found.left_out + dropped)


def keep(experiment: Experiment, home: Path) -> dict[str, Path]:
    """Write each arm's problems and the test's, and return the arms' files.

    Raises RuntimeError where the directory was made of other problems: what was trained would not be comparable.
    """
    folder = home / "problems"
    of = {arm.name: arm.taught.problems for arm in experiment.arms if arm.taught} | {"test": experiment.test}
    known = {name: data.fingerprint(problems) for name, problems in of.items()}
    before = read_json(folder / "sets.json")
    if changed := [name for name, digest in known.items() if before.get(name, digest) != digest]:
        raise RuntimeError(f"{home} was made of other problems ({', '.join(changed)}): out=DIR begins elsewhere")
    folder.mkdir(parents=True, exist_ok=True)
    for name, problems in of.items():
        sets.write(problems, folder / f"{name}.jsonl")
    write_json(folder / "sets.json", before | known)
    return {name: folder / f"{name}.jsonl" for name in of if name != "test"}
