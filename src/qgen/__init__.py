"""qgen trains a language model to write competition mathematics."""

from typing import Any

from qgen.version import __version__

__all__ = ["QuestionsGenTrainer", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "QuestionsGenTrainer":  # lazily, so that `import qgen` costs nothing
        from qgen.pipeline import QuestionsGenTrainer

        return QuestionsGenTrainer
    raise AttributeError(f"module 'qgen' has no attribute {name!r}")
