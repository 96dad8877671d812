"""How different the problems of a set are. Every measure depends on the set's size: compare equal ones."""

import warnings

import numpy as np
from sacrebleu.metrics import BLEU
from vendi_score import vendi

from qgen.metrics.similarity import mask, tokens

REFERENCES = 10  # texts that a text's self-BLEU is taken against


def vendi_share(similarities: np.ndarray) -> float:
    """The Vendi score (arXiv:2210.02410), the effective number of different texts, as a share of their number.

    Args:
        similarities: of each text to each, 1 on the diagonal, of shape (texts, texts).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a name in SciPy that vendi-score asks for
        return float(vendi.score_K(similarities)) / len(similarities)


def self_bleu(texts: list[str]) -> float:
    """Mean BLEU of each text against the ten others nearest to it in length, 0 to 1 (sacrebleu).

    Self-BLEU (arXiv:1802.01886) rewards sets of texts of unlike lengths; references of like length do away with that.
    """
    words = [tokens(mask(text)) for text in texts]
    order = sorted(range(len(texts)), key=lambda i: len(words[i]))
    lines = [" ".join(words[i]) for i in order]
    bleu = BLEU(tokenize="none", effective_order=True)
    scores = []
    for at, line in enumerate(lines):
        start = min(max(0, at - REFERENCES // 2), max(0, len(lines) - REFERENCES - 1))
        others = lines[start:at] + lines[at + 1 : start + REFERENCES + 1]
        scores.append(bleu.sentence_score(line, others).score / 100)
    return float(np.mean(scores))


def distinct(texts: list[str]) -> float:
    """The share of texts that are left when those that differ in numbers and letters alone count once."""
    return len({" ".join(tokens(mask(text))) for text in texts}) / len(texts)


def entropy(labels: list[str], of: int) -> float:
    """The entropy of labels, as a share of that of `of` equally frequent ones."""
    _, counts = np.unique(labels, return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum() / np.log(of)) if of > 1 else 1.0
