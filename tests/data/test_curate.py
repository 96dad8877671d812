from dataclasses import replace

from conftest import CUBES, DIGITS, SPHERES, composed

from qgen import data
from qgen.data.curate import curate, levelled, split
from qgen.data.quality import RULES, quality
from qgen.data.topics import knowledge_points, topic
from qgen.metrics.similarity import SimilarityIndex

CONFIG = composed().data


def test_champ_splits_without_leaking():
    corpus = data.load(CONFIG)
    assert len(corpus.train) + len(corpus.heldout) + corpus.dropped.total() == corpus.read == 270
    assert not {p.statement for p in corpus.train} & {p.statement for p in corpus.heldout}
    assert {p.topic for p in corpus.heldout} == {p.topic for p in corpus.train}
    nearest, _ = SimilarityIndex(p.statement for p in corpus.train).nearest([p.statement for p in corpus.heldout])
    assert nearest.max() < 0.9  # duplicates were measured with the whole set's word frequencies


def test_split_depends_on_its_own_seed_alone():
    again = data.load(composed("seed=1").data)
    other = data.load(composed("data.split_seed=1").data)
    assert again.heldout == data.load(CONFIG).heldout != other.heldout


def test_what_is_dropped_and_why():
    same = replace(SPHERES, id="again")
    near = replace(DIGITS, statement=DIGITS.statement.replace("How many", "Determine how many"), id="near")
    poor = replace(CUBES, statement="Prove that it is so, as seen in the figure below: $n>2$.", answer="", solution="")
    rough = replace(SPHERES, statement="What is shown in the figure below?", solution="", id="rough")
    corpus = curate([SPHERES, same, DIGITS, near, CUBES, poor, rough], CONFIG)
    assert corpus.dropped == {"duplicate": 1, "near-duplicate": 1, "malformed: no answer": 1, "low quality": 1}
    assert sorted(p.id for p in corpus.train + corpus.heldout) == ["cubes", "digits", "spheres"]


def test_quality_is_the_share_of_rules_kept():
    assert quality(SPHERES) == 1.0
    assert quality(replace(SPHERES, solution="")) == 1 - 2 / len(RULES)
    assert quality(replace(SPHERES, statement="Prove that $2$ is even, which is what we ask for here.")) < 1
    assert quality(replace(SPHERES, answer="")) == 0.0


def test_missing_levels_are_filled_by_length_of_solution():
    problems = [replace(DIGITS, level=None, solution="s" * n) for n in range(1, 11)]
    assert [p.level for p in levelled(problems)] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert levelled([CUBES]) == [CUBES]


def test_every_topic_with_two_problems_is_held_out():
    problems = [replace(DIGITS, topic=t, id=f"{t}{i}") for t in "AB" for i in range(2)] + [replace(DIGITS, topic="C")]
    train, held = split(problems, 0.1, 0)
    assert sorted(p.topic for p in held) == ["A", "B"]
    assert len(train) == 3


def test_topics_and_points_are_read_off_the_text():
    assert topic("A prime divides the sum; find the remainder modulo 7.") == "Number Theory"
    assert topic("nothing known") == "Algebra"
    assert topic("The indices coincide.") == "Algebra"  # neither dice nor coin
    assert topic(r"Evaluate $2\int_0^1 x^2\,dx$.") == "Calculus"
    assert topic("两个dice同时") == "Probability"
    assert topic("Two dices and three coins") == "Probability"
    assert topic("从装有5个红球和4个白球的袋中任取2个球，求两球都是红球的概率。") == "Probability"
    assert knowledge_points("Find the sum of the squares of the radii, in square feet, of the circles.") == (
        "radius",
        "circle",
    )
    assert knowledge_points(r"$\mathbf{(A)}\ 1$; the plants will die, so we focus on the square root of 4.") == (
        "radical",
    )
    assert knowledge_points("比赛前根据规则，他用圆珠笔写了一根绳子的长度。") == ()
    assert knowledge_points("The triangle has an incircle; the triangle is right.") == ("triangle", "incircle")
