"""How different the problems of a set are. Every measure depends on the size of the set: compare sets of one size."""

import numpy as np
from sacrebleu.metrics import BLEU
from scipy import stats
from scipy.linalg import eigvalsh
from scipy.special import entr

from qgen.metrics.similarity import mask, tokens

REFERENCES = 10  # texts that a text's self-BLEU is taken against


def vendi_share(similarities: np.ndarray) -> float:
    """The Vendi score (arXiv:2210.02410), the effective number of different texts, as a share of their number.

    The score is the exponential of the entropy of the eigenvalues of the matrix of similarities over its size.

    Args:
        similarities: of each text to each, 1 on the diagonal, of shape (texts, texts).
    """
    spectrum = eigvalsh(similarities / len(similarities)).clip(0)
    return float(np.exp(entr(spectrum).sum())) / len(similarities)


def self_bleu(texts: list[str]) -> float:
    """Mean BLEU of each text against the ten others nearest to it in length, 0 to 1 (sacrebleu).

    Self-BLEU (arXiv:1802.01886) rewards a set for texts of different lengths. Taking the references that are nearest
    in length removes that.
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
    return float(stats.entropy(counts, base=of)) if of > 1 else 1.0
