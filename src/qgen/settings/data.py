"""Where problems come from, and what becomes of them (conf/data/)."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from qgen.settings.choices import Source


@dataclass
class MixConfig:
    """Shares of the training rows; they need not sum to one."""

    problems: float = 1.0
    variations: float = 0.0
    chat: float = 0.0


@dataclass
class DataConfig:
    """Where problems come from, which are dropped, which are held out, and what they are mixed with."""

    source: Source = MISSING
    path: str | None = None  # jsonl: the file; openmath: a local copy in the hub's layout, instead of the hub
    fields: dict[str, str] = field(default_factory=dict)  # jsonl: which column holds statement, answer, ...
    limit: int | None = None  # read at most this many
    min_quality: float = 0.8  # problems below it are dropped, 0 to 1
    near_duplicate: float = 0.85  # cosine similarity at which the later of two problems is dropped
    heldout: float = 0.15  # share that is never trained on
    heldout_path: str | None = None  # jsonl: the problems that are held out, in a file of their own, instead of a share
    curate: bool = True  # false: whatever can be read is trained on as it is; needs heldout_path
    split_seed: int = 0  # apart from `seed`, so that a sweep over seeds is measured on the same problems
    mix: MixConfig = field(default_factory=MixConfig)
    variations_path: str | None = None  # jsonl of {original, statement, answer, kind}; or recomputed: the training
    # problems with other parameters, whose answers their programs or SymPy find
    chat_path: str | None = None  # jsonl of {messages} or {conversations}, or a hub dataset

    def check(self) -> None:
        if self.mix.problems + self.mix.variations + self.mix.chat <= 0:
            raise ValueError("data.mix: at least one share must be above 0")
        for part in ("variations", "chat"):
            share, path = getattr(self.mix, part), getattr(self, f"{part}_path")
            if share > 0 and not path:
                raise ValueError(f"data.mix.{part} is above 0, so data.{part}_path must say where they are")
            if path and not share:
                raise ValueError(f"data.{part}_path={path} is not read where data.mix.{part} is 0: set its share too")
        if self.source is Source.jsonl and not self.path:
            raise ValueError("data=jsonl needs data.path=FILE")
        if self.source is Source.champ and self.path:
            raise ValueError(f"data=champ does not read data.path={self.path}: set data=jsonl too, or leave it out")
        if self.source is not Source.jsonl and self.heldout_path:
            raise ValueError(
                f"data={self.source.value} does not read data.heldout_path: set data=jsonl, or leave it out"
            )
        if not self.curate and not self.heldout_path:
            raise ValueError(
                "data.curate=false needs data.heldout_path: without curation a held-out share may repeat "
                "training problems"
            )
        if self.source is not Source.jsonl and self.fields:
            raise ValueError(
                f"data={self.source.value} has no columns to name: set data=jsonl, or leave data.fields out"
            )
