"""Does qgen.verify tell true problems from false ones? python benchmarks/verify.py FILE.jsonl --out DIR [key=value ...]

FILE holds real problems with answers (data=jsonl's columns). Of its held-out ones --n are verified, and beside them the
same with plausible wrong answers, two merged in one, a condition cut, and too little given (src/qgen/adversary), --each
of a class. key=value are those of qgen.verify. Printed are the shares that are proved and refuted, and how well the
votes' confidence tells each class from the real problems: the area under the ROC curve. --show prints them again.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np

from qgen import data
from qgen.adversary import Material
from qgen.adversary.classes import CLASSES
from qgen.data.prompts import spread
from qgen.metrics.intervals import auroc
from qgen.proofs import verification
from qgen.reporting.tables import plain_table, show
from qgen.runs.files import read_json, write_json, write_rows
from qgen.settings.choices import JunkClass
from qgen.settings.compose import composed
from qgen.settings.verify import VerifyConfig

FALSE = (JunkClass.wrong, JunkClass.merged, JunkClass.cut, JunkClass.underdetermined)
RESULT = "verify.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?")
    parser.add_argument("keys", nargs="*", help="of qgen.verify: samples=8 max_new_tokens=768")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--each", type=int, default=40)
    parser.add_argument("--show", action="store_true")
    given = parser.parse_intermixed_args()
    if given.file:
        given.out.mkdir(parents=True, exist_ok=True)
        problems = given.out / "problems.jsonl"
        classes = made(given.file, given.n, given.each, problems)
        words = dict(pair.split("=", 1) for pair in given.keys)
        typed = {key: json.loads(value) if value[:1] in "0123456789n" else value for key, value in words.items()}
        try:
            _, verdicts = verification.verify(VerifyConfig(file=str(problems), **typed))
        except RuntimeError as error:  # a solver that answers nothing, a machine that cannot hold programs
            raise SystemExit(f"benchmarks/verify.py: {error}") from error
        write_json(given.out / RESULT, {"file": given.file, "keys": words, "classes": figures(classes, verdicts)})
    if given.show or given.file:
        show(table(read_json(given.out / RESULT)))


def made(file: str, n: int, each: int, path: Path) -> list[str]:
    """Write true and false problems, and return the class of each."""
    config = composed(["data=jsonl", f"data.path={file}"])
    corpus = data.load(config.data)
    real = spread(corpus.heldout, n, 0)
    material = Material(corpus.train, corpus.heldout, [(p.topic, p.rated) for p in spread(corpus.heldout, each, 1)], 1)
    found = [("real", problem) for problem in real]
    for kind in FALSE:
        found += [(kind.value, junk.problem) for junk in CLASSES[kind](material, random.Random(0))[:each]]
    write_rows(path, [{"statement": p.statement, "answer": p.answer, "topic": p.topic, "level": p.level,
                       "id": f"{kind}-{i}"} for i, (kind, p) in enumerate(found)])  # fmt: skip
    return [kind for kind, _ in found]


def figures(classes: list[str], verdicts: list[dict]) -> dict[str, dict]:
    """Of each class how many were proved and refuted, and the area under the ROC curve against real problems."""
    sure = {
        name: np.array([row["votes"]["confidence"] for row, kind in zip(verdicts, classes, strict=True)
                        if kind == name and row.get("votes")])
        for name in dict.fromkeys(classes)
    }  # fmt: skip
    found = {}
    for name in sure:
        rows = [row for row, kind in zip(verdicts, classes, strict=True) if kind == name]
        found[name] = {
            "problems": len(rows),
            "proved": sum(row["proof"] in ("computed", "voted") for row in rows),
            "refuted": sum(row["proof"] == "refuted" for row in rows),
            "auroc": None if name == "real" else auroc(sure["real"], sure[name]).plain(),
        }
    return found


def table(result: dict):
    table = plain_table(f"qgen.verify on problems of {Path(result['file']).name}")
    for column in ("", "problems", "proved", "refuted", "AUROC", "95 %"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for name, row in result["classes"].items():
        shares = [f"{row[key] / row['problems']:.0%}" for key in ("proved", "refuted")]
        area = [f"{row['auroc'][0]:.2f}", "{1:.2f}–{2:.2f}".format(*row["auroc"])] if row["auroc"] else ["–", "–"]
        table.add_row(name, str(row["problems"]), *shares, *area)
    return table


if __name__ == "__main__":
    main()
