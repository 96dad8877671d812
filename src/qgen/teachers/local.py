"""A teacher whose weights are at hand, for learning from its logits."""

from dataclasses import replace

from transformers import AutoConfig, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from qgen.models.model import load_base, weights
from qgen.runtime.strict import hub
from qgen.settings.config import Config


def load(config: Config, student: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """The frozen model that teacher.model names, of the student's precision.

    Logits are compared token by token, so both must have the same tokenizer, and as many logits. Raises RuntimeError
    where they do not, before weights are loaded, or where the model cannot be had.
    """
    name = config.teacher.model
    assert name is not None  # Config.check asks for it
    wanted = replace(config.model, name=name, architecture=None, load_in_4bit=config.teacher.load_in_4bit)
    path = weights(wanted)
    with hub(name):
        theirs = AutoTokenizer.from_pretrained(path, trust_remote_code=False)
        shape = AutoConfig.from_pretrained(path, trust_remote_code=False)
    mine, other = tokenizer.get_vocab(), theirs.get_vocab()
    family = f"choose a teacher of {config.model.name}'s family"
    if mine != other:
        differ = sum(mine.get(token) != other.get(token) for token in {*mine, *other})
        raise RuntimeError(
            f"teacher.model={name} has another tokenizer than the student ({len(other)} tokens against {len(mine)}; "
            f"{differ} are not the same): {family}"
        )
    sizes = [c.get_text_config().vocab_size for c in (shape, student.config)]
    if sizes[0] != sizes[1]:
        raise RuntimeError(f"teacher.model={name} has {sizes[0]} logits, and the student {sizes[1]}: {family}")
    return load_base(wanted, tokenizer, config.seed).eval().requires_grad_(False)
