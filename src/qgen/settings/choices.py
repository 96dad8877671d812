"""The values that some keys choose from; the command line takes their names."""

from enum import Enum


class Schedule(Enum):
    """Learning-rate schedules of transformers that need no further argument."""

    linear = "linear"
    cosine = "cosine"
    cosine_with_restarts = "cosine_with_restarts"
    polynomial = "polynomial"
    constant = "constant"
    constant_with_warmup = "constant_with_warmup"
    inverse_sqrt = "inverse_sqrt"


class Backend(Enum):
    """Who loads and adapts the model: transformers + PEFT, or Unsloth."""

    hf = "hf"
    unsloth = "unsloth"


class Rollout(Enum):
    """Who writes completions: in GRPO, in validation, for best-of-n, and of a finished run's model."""

    auto = "auto"  # compiled where there is a GPU and it fits, else compiled_int8 where that fits, else generate
    generate = "generate"  # the policy itself, by transformers in GRPO: the reference
    compiled = "compiled"  # a merged copy of the weights under CUDA graphs
    compiled_int8 = "compiled_int8"  # the same with the copy's matrices in 8 bits, a little other than the policy
    vllm = "vllm"  # in GRPO by TRL's vLLM, in this process or on a server (stage.trl.vllm_mode); else generate


COPIES = (Rollout.compiled, Rollout.compiled_int8)  # in the order in which auto tries them


class Language(Enum):
    """Languages that problems are asked for in."""

    en = "en"
    zh = "zh"


class DType(Enum):
    """The numbers that weights are kept and computed in."""

    auto = "auto"  # bfloat16 where the GPU has it, else float32
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


class Normalize(Enum):
    """How reward terms are put on one scale before they are weighted."""

    none = "none"
    zscore = "zscore"
    group = "group"


class Combine(Enum):
    """How a completion's reward is made of its terms."""

    sum = "sum"  # each times its weight
    product = "product"  # each to the power of its weight: where one is 0, all is


class Source(Enum):
    """Where problems come from: those embedded, a file of one's own, or the hub's OpenMathReasoning-mini."""

    champ = "champ"
    jsonl = "jsonl"
    openmath = "openmath"


class Kind(Enum):
    """How a variation differs from its original."""

    parameter = "parameter"  # other numbers
    context = "context"  # the same numbers and answer in another setting
    application = "application"  # the same mathematics in practical use
    harder = "harder"
    easier = "easier"


class Proof(Enum):
    """What must be known of the answers that are handed out, from most to least (proofs/proof.py)."""

    computed = "computed"  # the problem's program and the votes of a solver agree
    voted = "voted"  # the votes are clear
    stated = "stated"  # the writer says so


class JunkClass(Enum):
    """Texts that are certainly no good answer to their request, by what is wrong with them (src/qgen/adversary/)."""

    nonsense = "nonsense"  # fluent, about properties that do not exist
    climb = "climb"  # what a search finds that earns most
    merged = "merged"  # two problems in one
    cut = "cut"  # a condition is gone
    underdetermined = "underdetermined"  # too little is given from the start
    trivial = "trivial"  # an addition in solemn words, for level 5
    wrong = "wrong"  # a real problem with a plausible wrong answer
    templated = "templated"  # one template, many numbers
    paraphrased = "paraphrased"  # a known problem in other words
    repeat = "repeat"  # a group of one text
    constant = "constant"  # one answer whatever is asked
    offtopic = "offtopic"  # a real problem of another topic


class Task(Enum):
    """What a model is asked for: problems, variations of training problems, as many of the one as of the other, or
    the training problems' solutions."""

    problem = "problem"
    variation = "variation"
    both = "both"
    solve = "solve"


class Method(Enum):
    """How qgen.teach trains a solver: by GRPO on answers, or on those of its own solutions that are right."""

    grpo = "grpo"
    sft = "sft"


class Teacher(Enum):
    """Who stage 3 learns from: the model's own best of n, a model behind an API, or another's logits."""

    self = "self"
    api = "api"
    local = "local"


class Structured(Enum):
    """How a teacher's server is told what a reply looks like, besides in words."""

    none = "none"
    json_object = "json_object"  # as DeepSeek's takes it
    json_schema = "json_schema"  # as OpenAI's, vLLM's and llama.cpp's take it


class Tracker(Enum):
    """Who reads a run's events besides the files."""

    local = "local"
    wandb = "wandb"


class TrackerMode(Enum):
    """Whether W&B is told at once, later, or never."""

    online = "online"
    offline = "offline"
    disabled = "disabled"


class Format(Enum):
    """What a model is exported as, in the order in which they are made: each of the last two out of the one before."""

    adapter = "adapter"  # PEFT's: small, and of use only beside the base
    merged = "merged"  # transformers' safetensors, the adapter added into the base's weights
    gguf = "gguf"  # one file, for llama.cpp and what is built on it
    ollama = "ollama"  # that file and a Modelfile


class Precision(Enum):
    """Of a GGUF's matrices; its vectors are always float32."""

    f32 = "f32"
    f16 = "f16"
    q8_0 = "q8_0"  # blocks of 32 in 8 bits with a scale each
