"""Makes formats, each out of the one before it, and puts them in their places as they are done."""

import time
from collections.abc import Callable
from pathlib import Path

from qgen.export import adapter, card, gguf, merged, ollama, place, readback
from qgen.export.trained import TrainedModel
from qgen.reporting.tables import show
from qgen.runs.files import Row, link, read_json
from qgen.settings.choices import Format, Precision


def make(
    source: TrainedModel,
    out: Path,
    formats: list[Format],
    precisions: list[Precision],
    identity: Callable[[Format], Row],
) -> None:
    """Write formats into `out`, a directory each. What one is made of and was not asked for is thrown away.

    Args:
        formats: in their order.
        precisions: a GGUF file each; Ollama's is of the first.
        identity: what a format's record says that it was made of.
    """
    with place.workplace(out) as work:

        def finished(format: Format, write: Callable[[Path], list[str]]) -> tuple[Path, list[str]]:
            """A format's directory, left there before or made now, and what was found when it was made."""
            target, began = out / format.value, time.monotonic()
            if format not in formats and place.holds(out, format, identity(format)):
                return target, read_json(target / place.RECORD)["proof"]
            folder = work / format.value
            proof = write(folder)
            if format not in formats:
                return folder, proof
            (folder / "README.md").write_text(card.text(source, format, proof), encoding="utf-8")
            seconds = time.monotonic() - began
            place.put(folder, target, identity(format) | {"proof": proof, "seconds": round(seconds, 1)})
            size = sum(path.stat().st_size for path in target.iterdir())
            show(f"{format.value}: {seconds:.1f} s, {size / 2**20:.1f} MiB, in {target}", *proof)
            return target, proof

        if Format.adapter in formats:
            finished(Format.adapter, lambda folder: adapter.write(source, folder))
        if formats[-1] is Format.adapter:
            return
        whole, _ = finished(
            Format.merged,
            lambda folder: [f"merged weights against the adapter on its base: {merged.write(source, folder)}"],
        )
        if formats[-1] is Format.merged:
            return
        wanted = precisions if Format.gguf in formats else precisions[:1]
        files, proof = finished(Format.gguf, lambda folder: _ggufs(source, whole, folder, wanted))
        if Format.ollama in formats:
            first = files / _name(source, precisions[0])
            finished(Format.ollama, lambda folder: _ollama(source, first, folder, proof[:1]))


def _ggufs(source: TrainedModel, whole: Path, folder: Path, precisions: list[Precision]) -> list[str]:
    """Write a file a precision, prove each, and say what was found, a line each."""
    folder.mkdir()
    loaded, found = merged.load(whole, source), []
    for precision in precisions:
        file, began = folder / _name(source, precision), time.monotonic()
        by = gguf.write(whole, file, precision, source.name, card.licence(source))
        wrote = time.monotonic() - began
        proof = readback.prove(file, precision, source, loaded)
        found.append(f"{file.name}, written by {by} in {wrote:.1f} s, against the merged model: {proof}")
    return found


def _ollama(source: TrainedModel, file: Path, folder: Path, proof: list[str]) -> list[str]:
    folder.mkdir()
    link(str(file), str(folder / file.name))
    (folder / "Modelfile").write_text(ollama.modelfile(source, file.name), encoding="utf-8")
    return proof


def _name(source: TrainedModel, precision: Precision) -> str:
    return f"{source.name}-{precision.value}.gguf"
