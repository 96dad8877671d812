"""qgen trains a language model to write competition mathematics."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["QuestionsGenTrainer"]


def __getattr__(name: str) -> Any:
    if name == "QuestionsGenTrainer":  # lazily, so that `import qgen` costs nothing
        from qgen.pipeline import QuestionsGenTrainer

        return QuestionsGenTrainer
    raise AttributeError(f"module 'qgen' has no attribute {name!r}")
