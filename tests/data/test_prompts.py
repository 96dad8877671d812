import random
from collections import Counter
from dataclasses import replace

from conftest import CUBES, composed

from qgen.data.prompts import ask, ask_like, lesson, named, of_task, request, requests, variation, vary
from qgen.mathematics.problem import Problem, parse
from qgen.settings.choices import Kind, Task


def test_ask_in_english():
    system, user = ask(composed().prompt, "Geometry", 3, ("Vieta's formulas",))
    assert system["role"] == "system"
    assert "Geometry problem of difficulty 3 out of 5. Use Vieta's formulas. Give" in user["content"]


def test_ask_in_chinese_translates_the_topic():
    prompt = composed("prompt=zh").prompt
    assert "数论" in ask(prompt, "Number Theory", 5)[-1]["content"]
    assert "Topology" in ask(prompt, "Topology", 5)[-1]["content"]  # one without a translation stays


def test_lesson_is_a_problem_that_parses():
    for prompt in (composed().prompt, composed("prompt=zh").prompt):
        row = lesson(prompt, CUBES)
        assert isinstance(parse(row["completion"][0]["content"]), Problem)
        assert row["prompt"] == request(prompt, CUBES)["prompt"]


def test_solution_is_asked_for_by_config():
    for language, label in (("en", "Solution:"), ("zh", "解答：")):
        row = lesson(composed(f"prompt={language}", "prompt.solution=true").prompt, CUBES)
        assert label in row["prompt"][-1]["content"]
        assert label in row["completion"][0]["content"]
    assert "Solution:" not in lesson(composed().prompt, CUBES)["prompt"][-1]["content"]
    assert "Solution:" not in lesson(composed().prompt, CUBES)["completion"][0]["content"]


def test_requests_are_the_same_each_time_and_some_name_a_point():
    prompt = composed().prompt
    made = [Problem("s", "a", topic="T", level=1, points=("induction",), id=str(i)) for i in range(40)]
    first = [ask_like(prompt, p) for p in made]
    assert first == [ask_like(prompt, p) for p in made]
    named = sum("induction" in messages[-1]["content"] for messages in first)
    assert 30 <= named < 40


def test_the_first_point_is_named_with_any_other():
    points, rng = ("induction", "limit", "divisor"), random.Random(0)
    found = Counter(named(points, rng) for _ in range(800))
    assert set(found) == {(), points[:1], points[:2], points[::2]}
    assert found[()] < 150 < found[points[:2]] < 250
    assert {named(points[:1], rng) for _ in range(40)} == {(), points[:1]}
    assert {named((), rng) for _ in range(40)} == {()}


def test_a_request_says_which_points_it_names_for_rewards_to_read():
    prompt = composed().prompt
    made = [Problem("s", "a", topic="T", level=1, points=("induction", "limit"), id=str(i)) for i in range(4)]
    for row in [*requests(prompt, made, 12, 0), of_task(prompt, made[0], Task.both, 0)]:
        told = row["prompt"][-1]["content"]
        assert [p for p in ("induction", "limit") if p in told] == sorted(row["points"])
    assert of_task(prompt, made[0], Task.both, 1)["points"] == []


def test_vary_shows_the_original():
    assert CUBES.statement in vary(composed().prompt, CUBES)[-1]["content"]


def test_each_kind_of_variation_is_asked_for_in_its_own_words():
    for prompt in (composed().prompt, composed("prompt=zh").prompt):
        asked = [vary(prompt, CUBES, kind)[-1]["content"] for kind in Kind]
        assert len({*asked, vary(prompt, CUBES)[-1]["content"]}) == len(Kind) + 1


def test_a_variation_says_what_is_varied_how_and_how_hard():
    prompt = composed().prompt
    row = variation(prompt, CUBES, Kind.harder)
    assert parse(row["original"]).statement == CUBES.statement
    assert (row["kind"], row["level"], row["topic"]) == ("harder", CUBES.level + 1, CUBES.topic)
    assert "difficulty 5 out of 5, that is harder" in row["prompt"][-1]["content"]
    assert variation(prompt, replace(CUBES, level=5), Kind.harder)["level"] == 5


def test_a_task_asks_for_problems_variations_or_both():
    prompt = composed().prompt
    assert of_task(prompt, CUBES, Task.problem, 0) == request(prompt, CUBES)
    assert [of_task(prompt, CUBES, Task.variation, i)["kind"] for i in range(5)] == [kind.value for kind in Kind]
    both = [of_task(prompt, CUBES, Task.both, i) for i in range(10)]
    assert [row["kind"] for row in both[::2]] == [""] * 5
    assert {row["kind"] for row in both[1::2]} == {kind.value for kind in Kind}
    assert len({tuple(row) for row in both}) == 1  # the same columns
