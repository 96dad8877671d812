"""What is handed over: a finished stage's model, with the data and the base that it says it was trained on."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from qgen import data
from qgen.data import Corpus
from qgen.data.prompts import Message, lesson, request, spread
from qgen.export import place
from qgen.models import packaged
from qgen.models.model import load_tokenizer
from qgen.runs import rundir
from qgen.runs.files import Row, read_json
from qgen.settings.choices import Backend
from qgen.settings.config import Config
from qgen.settings.model import ModelConfig

ROWS = 8  # held-out problems that agreement is measured on


@dataclass(frozen=True)
class TrainedModel:
    """A stage's directory, read."""

    home: Path
    run: Config
    adapter: Path
    environment: Row
    corpus: Corpus

    @property
    def name(self) -> str:
        """A name that files and repositories take."""
        return place.name(self.run)

    @property
    def model(self) -> ModelConfig:
        """The base that an adapter is merged into: never in 4 bits, whose rounding no sum with an adapter survives."""
        return replace(self.run.model, load_in_4bit=False, backend=Backend.hf)

    @property
    def hub_name(self) -> str | None:
        """The base's name on the hub, where it has one and its weights are those."""
        model = self.run.model
        local = packaged.known(model.name) or model.architecture or Path(model.name).exists()
        return None if local else model.name

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of the run's base model."""
        return load_tokenizer(self.run.model)

    @cached_property
    def rows(self) -> list[list[Message]]:
        """Held-out problems as the model was asked for them, each with its own text as the answer."""
        lessons = [lesson(self.run.prompt, problem) for problem in self._problems]
        return [[*row["prompt"], *row["completion"]] for row in lessons]

    @cached_property
    def requests(self) -> list[list[Message]]:
        """The requests on which the exported model is compared with this one, as chats."""
        return [request(self.run.prompt, problem)["prompt"] for problem in self._problems]

    @cached_property
    def _problems(self) -> list:
        held = self.corpus.heldout
        return spread(held, min(ROWS, len(held)), self.run.data.split_seed)


def read(home: Path) -> TrainedModel:
    """A finished stage. Raises RuntimeError where its data are no longer what it was trained on."""
    run = rundir.config_at(home)
    environment, corpus = read_json(home / rundir.ENVIRONMENT), data.load(run.data, run.prompt)
    if not environment:
        raise RuntimeError(f"{home / rundir.ENVIRONMENT} is not there, or broken: restore it, or train the stage again")
    if not data.same(corpus, environment):
        raise RuntimeError(
            f"{home}: the problems that data.source={run.data.source.value} holds now are not those that it was "
            f"trained with, so that the model card would be wrong: restore them"
        )
    return TrainedModel(home, run, rundir.adapter_at(home), environment, corpus)
