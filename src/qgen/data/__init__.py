"""Sources of problems, and what becomes of the problems: they are read, curated, split, and turned into chat rows.

What counts as a problem does not belong here: mathematics decides that. Nothing here imports torch.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice

from qgen.data import champ, jsonl, openmath
from qgen.data.curate import Corpus, curate
from qgen.data.kept import kept
from qgen.mathematics.problem import Fault, Problem
from qgen.settings.choices import Source
from qgen.settings.data import DataConfig
from qgen.settings.prompt import PromptConfig

__all__ = ["Corpus", "fingerprint", "load", "same"]

SOURCES: dict[Source, Callable[[DataConfig], Iterable[Problem | Fault]]] = {
    Source.champ: champ.read,
    Source.jsonl: jsonl.read,
    Source.openmath: openmath.read,
}


def load(config: DataConfig, prompt: PromptConfig | None = None) -> Corpus:
    """Read and curate the problems that a config names.

    Args:
        prompt: how a model will see the problems; those that the parser would read back differently are dropped. None:
            in English, without solutions.

    Raises RuntimeError where the problems cannot be read, or where too few are left to split.
    """
    corpus = kept(config, prompt, lambda: _curated(config, prompt))
    if not corpus.train or not corpus.heldout:
        raise RuntimeError(
            f"data={config.source.value}: {len(corpus.train)} problems to train on and {len(corpus.heldout)} held out "
            f"are left of {corpus.read} read ({corpus.reasons()}); both are needed. Lower data.min_quality, raise "
            f"data.limit, or add problems"
        )
    return corpus


def _curated(config: DataConfig, prompt: PromptConfig | None) -> Corpus:
    read = SOURCES[config.source]
    apart = read(replace(config, path=config.heldout_path)) if config.heldout_path else None
    return curate(islice(read(config), config.limit), config, prompt, apart)


def same(corpus: Corpus, environment: dict) -> bool:
    """Whether a corpus holds the problems that a stage had, by the fingerprints in the stage's environment.json."""
    parts = {"data": corpus.train, "heldout": corpus.heldout}
    return all(environment.get(name) == fingerprint(problems) for name, problems in parts.items())


def fingerprint(problems: Iterable[Problem]) -> str:
    """A hash of the problems in their order: the same where two runs trained on the same data."""
    digest = hashlib.sha256()
    for problem in problems:
        digest.update(f"{problem.id}\0{problem.statement}\0{problem.answer}\1".encode(errors="surrogatepass"))
    return digest.hexdigest()[:16]
