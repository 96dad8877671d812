"""Format ollama: the Modelfile beside a GGUF file, so that `ollama create NAME -f Modelfile` gives the run's model."""

from qgen.export.trained import TrainedModel

_SYSTEM = "<|im_start|>system\n{}<|im_end|>\n"
_USER = "<|im_start|>user\n{}<|im_end|>\n"
_ASSISTANT = "<|im_start|>assistant\n"
STOP = "<|im_end|>"
TEMPLATE = (
    "{{ if .System }}" + _SYSTEM.format("{{ .System }}") + "{{ end }}"
    "{{ if .Prompt }}" + _USER.format("{{ .Prompt }}") + "{{ end }}" + _ASSISTANT + "%s{{ .Response }}" + STOP + "\n"
)


def modelfile(source: TrainedModel, weights: str) -> str:
    """The text of a Modelfile.

    Args:
        weights: the GGUF file's name, beside the Modelfile.

    Raises RuntimeError where the chat template is not ChatML, which is the only one that is written in Go's form here.
    """
    asked = source.requests[0]
    system, opening = _chatml(source, asked)
    sampling = source.run.sampling
    parameters = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": 0,  # Ollama's own 40, and its penalty of 1.1 below, are not how the run wrote
        "repeat_penalty": 1.0,
        "num_ctx": source.run.model.max_length,
        "num_predict": sampling.max_new_tokens,
        "stop": f'"{STOP}"',
    }
    lines = [f"FROM ./{weights}", f'TEMPLATE """{TEMPLATE % opening}"""']
    if system:
        lines.append(f'SYSTEM """{system}"""')
    return "\n".join([*lines, *(f"PARAMETER {name} {value}" for name, value in parameters.items())]) + "\n"


def _chatml(source: TrainedModel, asked: list[dict[str, str]]) -> tuple[str, str]:
    """A request's system prompt, which is the template's own where the run has none, and what an answer opens with."""
    text = source.tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    user = _USER.format(asked[-1]["content"]) + _ASSISTANT
    before, found, opening = text.partition(user)
    start, end = _SYSTEM.split("{}")
    plain = before.removeprefix(start).removesuffix(end)
    if not found or before not in ("", start + plain + end) or STOP in plain:
        raise RuntimeError(
            f"format=ollama: the chat template of {source.run.model.name} is not ChatML, the only one that "
            f"qgen writes in Ollama's form; format=gguf keeps it, and Ollama reads some templates from there"
        )
    return plain, opening
