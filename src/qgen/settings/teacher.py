"""What can be configured of a teacher. Part of qgen.settings.config, and as fast to import."""

from dataclasses import dataclass, field

from omegaconf import MISSING

from qgen.settings.choices import Structured, Teacher


@dataclass
class BudgetConfig:
    """What teacher.cache may have cost in all, earlier runs included. No request is sent that could exceed it."""

    tokens: int = 2_000_000  # of prompts and replies together
    money: float = 5.0  # in the currency of teacher.price


@dataclass
class PriceConfig:
    """Of a million tokens."""

    prompt: float = 0.55
    completion: float = 2.19


@dataclass
class TeacherConfig:
    """Who distillation learns from; of one behind an API, how it is asked and what that may cost."""

    name: Teacher = MISSING
    model: str | None = None  # local: a directory or a hub name, of the student's tokenizer
    load_in_4bit: bool = False  # local
    # api, whose URL, model and key come from the environment alone: QGEN_TEACHER_URL, _MODEL and _KEY
    structured: Structured = Structured.json_object
    keep: float = 4.0  # mean score, 1 to 5, from which a student's problem is taught as it is rather than improved
    variations: int = 1  # asked for of each problem, their kinds in turn
    max_tokens: int = 16_384  # of a reply, its reasoning included
    temperature: float = 0.6
    concurrency: int = 8  # requests under way at once
    requests_per_minute: float = 60.0
    time_out: float = 600.0  # seconds without a sign of a reply
    retries: int = 6  # further attempts at a request that failed
    backoff: float = 1.0  # seconds before the first, doubled for each that follows, up to a minute
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    price: PriceConfig = field(default_factory=PriceConfig)
    cache: str = "outputs/teacher.jsonl"  # what was asked, replied and paid; runs that share it pay once

    def check(self) -> None:
        if self.name is Teacher.local and not self.model:
            raise ValueError("teacher=local needs teacher.model=PATH, or a hub name, of the student's tokenizer")
