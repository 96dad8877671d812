"""A stage holds out no problem that a stage before it was trained on: its held-out figures would say nothing."""

import re
from pathlib import Path

from qgen.data import Corpus, fingerprint, load
from qgen.mathematics.problem import Problem
from qgen.runs import rundir
from qgen.runs.files import read_json
from qgen.runs.origin import origin
from qgen.settings.config import Config, to_yaml


def check(config: Config, corpus: Corpus, adapter: Path | None) -> None:
    """Look at every stage that an adapter comes from, as far back as they are known.

    Args:
        corpus: what a stage is to train on and hold out.
        adapter: what it starts from; None for the base model.

    Raises RuntimeError where one of them was trained on what is to be held out, or where that cannot be told.
    """
    for home in lineage(adapter):
        was = read_json(home / rundir.ENVIRONMENT)
        if was.get("heldout") == fingerprint(corpus.heldout) or "data" not in was:
            continue
        before = rundir.config_at(home)
        changes = rundir.differences(to_yaml(before), to_yaml(config))
        told = [f"{key}: {a} -> {b}" for key, (a, b) in changes.items() if key.startswith(("data.", "prompt."))]
        differs = "; ".join(told) or f"what data.source={config.data.source.value} holds has changed since"
        remedy = "Set these as they were, or start from weights that have not seen them: stage.init_from=base"
        try:
            trained = load(before.data, before.prompt).train
        except (RuntimeError, ValueError, OSError) as error:
            raise RuntimeError(
                f"{home} was trained with other problems ({differs}), which cannot be read any more ({error}): they "
                f"may be among those that stage={config.stage.name} holds out. {remedy}"
            ) from error
        if fingerprint(trained) != was["data"]:
            raise RuntimeError(
                f"{home} was trained with other problems than its data hold now ({differs}): they may be among those "
                f"that stage={config.stage.name} holds out. {remedy}"
            )
        known = set(map(_key, trained))
        if seen := sum(_key(problem) in known for problem in corpus.heldout):
            raise RuntimeError(
                f"{home} was trained on {seen} of the {len(corpus.heldout)} problems that stage={config.stage.name} "
                f"would hold out, so that its held-out figures would say nothing ({differs}). {remedy}"
            )


def lineage(adapter: Path | None) -> list[Path]:
    """The directories of the stages that an adapter comes from, the last first."""
    homes: list[Path] = []
    while adapter is not None:
        places = (adapter.parent, adapter.parent.parent)  # adapter/ and a checkpoint; best/adapter
        home = next((place for place in places if (place / rundir.ENVIRONMENT).is_file()), None)
        if home is None or home in homes:
            break
        homes.append(home)
        adapter = origin(home)
    return homes


def _key(problem: Problem) -> str:
    """What curation knows a repeated problem by."""
    return re.sub(r"\W+", "", problem.statement.lower())
