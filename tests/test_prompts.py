from conftest import CUBES, composed

from qgen.problem import Problem, parse
from qgen.prompts import ask, ask_like, lesson, request, vary


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
    assert 10 <= named <= 30


def test_vary_shows_the_original():
    assert CUBES.statement in vary(composed().prompt, CUBES)[-1]["content"]
