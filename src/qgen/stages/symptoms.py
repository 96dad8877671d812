"""What a run shows when it goes wrong, told on the terminal while it does: completions of one token over and over,
completions that are all cut off, rewards that are all 0 or all alike."""

from collections import Counter

from tqdm import tqdm
from transformers import TrainerCallback

from qgen.runtime import ranks

MANY = 10  # training steps in a row that show it; of validations after the first one is enough


class Symptoms(TrainerCallback):
    """Looks at what is written and what it earns.

    Args:
        stage: its name.
        told: what was said before the checkpoint that the stage goes on from.

    Attributes:
        told: what was said, each once.
    """

    def __init__(self, stage: str, told: list[str] | None = None):
        self.stage, self.told = stage, list(told or [])
        self._rows: Counter[str] = Counter()  # steps in a row, a symptom
        self._seen: Counter[str] = Counter()  # steps in all, a symptom

    def see(self, mode: str, step: int, texts: list[str], rewards: list[float]) -> None:
        """Take note of a batch of completions.

        Args:
            mode: train, validation, or teacher, whose completions are chosen from; others are judged by who asked for
                them.
        """
        if mode == "train":
            self._count("loops", all(map(loops, texts)))
            self._count("zero", not any(rewards))
            self._count("alike", any(rewards) and max(rewards) - min(rewards) < 1e-9)
        elif mode == "validation":
            if all(map(loops, texts)):
                self._tell(f"the validation at step {step}: {_WORDS['loops']}")
            elif step and not any(rewards):
                self._tell(f"the validation at step {step}: {_WORDS['zero']}")
        elif mode == "teacher" and not any(rewards):
            self._tell(f"of what is chosen from, {_WORDS['zero']}")

    def on_log(self, args, state, control, logs=None, **_):
        if logs and "completions/clipped_ratio" in logs:
            self._count("cut", logs["completions/clipped_ratio"] >= 1)

    def on_train_end(self, args, state, control, **_):
        """Tell of what every step of a stage showed that was too short to show it for long."""
        for symptom, rows in self._rows.items():
            if rows and rows == self._seen[symptom] and not any(_WORDS[symptom] in said for said in self.told):
                self._tell(f"every step ({rows}): {_WORDS[symptom]}")

    def _count(self, symptom: str, shown: bool) -> None:
        self._seen[symptom] += 1
        self._rows[symptom] = self._rows[symptom] + 1 if shown else 0
        if self._rows[symptom] == MANY:
            self._tell(f"{MANY} steps in a row: {_WORDS[symptom]}")

    def _tell(self, what: str) -> None:
        if what not in self.told:
            self.told.append(what)
            if ranks.first():
                tqdm.write(f"{self.stage}: {what}")


_WORDS = {
    "loops": "every completion is one word or character over and over, or empty: the model writes nothing any more; "
    "lower stage.learning_rate, or go on from an earlier adapter with stage.init_from",
    "zero": "every completion earns 0, from which nothing can be learned: read samples.jsonl, train stage=sft before, "
    "or set prompt and data of one language",
    "alike": "all completions earn the same, so that no one of them can be preferred: raise sampling.temperature, or "
    "choose another reward",
    "cut": "every completion is cut off at sampling.max_new_tokens: raise it",
}


def loops(text: str) -> bool:
    """Whether a text says nothing, or one thing over and over: nine of ten of eight words or more are the same, or
    sixteen characters or more are of at most two kinds."""
    words = text.split()
    if not words:
        return True
    bare = "".join(words)
    (_, most), *_ = Counter(words).most_common(1)
    return (len(words) >= 8 and most >= 0.9 * len(words)) or (len(bare) >= 16 and len(set(bare)) <= 2)
