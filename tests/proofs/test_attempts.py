import pytest
from conftest import composed

from qgen.engine.completion import Completion
from qgen.mathematics.equivalence import AnswerComparer
from qgen.programs import NoWallError, Pool
from qgen.proofs.attempts import PROGRAM, WORDS, asked, read


def wrote(text: str, finished: bool = True) -> Completion:
    return Completion(text, len(text.split()), finished)


def code(source: str) -> str:
    return f"```python\n{source}\n```"


CASES = [
    (WORDS, wrote("so it is \\boxed{6}"), "6", None),
    (WORDS, wrote("so it is \\boxed{6}", finished=False), None, "cut off"),
    (WORDS, wrote("I do not know"), None, "no answer"),
    (PROGRAM, wrote(code("from math import comb\nprint(comb(10, 4))")), "210", None),
    (PROGRAM, wrote(code("from sympy import sqrt\nprint(4 / sqrt(3))")), "\\frac{4 \\sqrt{3}}{3}", None),
    (PROGRAM, wrote(code("print(6 / 2)")), "3", None),
    (PROGRAM, wrote(code("print(1 / 3)")), "1/3", None),
    (PROGRAM, wrote(code("print(2 ** 0.1)")), "1.071773463", None),
    (PROGRAM, wrote(code("print(0.1 + 0.2, [0.5])")), "0.30000000000000004 [0.5]", None),
    (PROGRAM, wrote(code("print(2.9999999999999996)")), "3", None),
    (PROGRAM, wrote(code("print(1e300)")), None, "inexact"),
    (PROGRAM, wrote(code("print(float('inf'))")), None, "inexact"),
    (PROGRAM, wrote(code("print(5)") + "\nThis", finished=False), "5", None),
    (PROGRAM, wrote("```python\nprint(5)", finished=False), None, "cut off"),
    (PROGRAM, wrote("The answer is 5."), None, "no program"),
    (PROGRAM, wrote(code("import os\nprint(5)")), None, "refused"),
    (PROGRAM, wrote(code("print(1 // 0)")), None, "error"),
    (PROGRAM, wrote(code("while True: pass")), None, "timeout"),
    (PROGRAM, wrote(code("def f(x): return x")), None, "empty"),
]


def test_attempts_are_read_in_words_and_as_programs_that_are_run():
    found = read([kind for kind, *_ in CASES], [completion for _, completion, *_ in CASES])
    assert [(attempt.answer, attempt.why) for attempt in found] == [(answer, why) for *_, answer, why in CASES]
    assert [attempt.kind for attempt in found] == [kind for kind, *_ in CASES]
    assert found[1].tokens == CASES[1][1].tokens


@pytest.mark.parametrize("language", ["en", "zh"])
def test_both_kinds_are_asked_for_with_the_statement_as_it_stands(language):
    prompt = composed(f"prompt={language}").prompt
    statement = "Find {n} with $\\frac{1}{n}=2$.\ud800"
    words, program = (asked(prompt, statement, kind)[-1]["content"] for kind in (WORDS, PROGRAM))
    assert "\\boxed" in words
    assert "```python" in program
    assert all(text.endswith("Find {n} with $\\frac{1}{n}=2$.?") for text in (words, program))


def test_no_sandbox_is_one_message_with_a_remedy(monkeypatch):
    def none(*_, **__):
        raise NoWallError("no wall")

    monkeypatch.setattr(Pool, "run", none)
    with pytest.raises(NoWallError, match="programs=0"):
        read([PROGRAM], [wrote(code("print(1)"))])


def test_a_float_is_a_vote_for_the_answer_that_it_means():
    floats = ["1 / 3", "2 ** 0.5", "1e-7", "250000000.5", "1 / 7"]
    votes = [attempt.answer for attempt in read([PROGRAM] * 5, [wrote(code(f"print({one})")) for one in floats])]
    keys = [r"\frac{1}{3}", r"$\sqrt{2}$", "10^{-7}", "500000001/2", r"\frac{1}{6}"]
    agreement = AnswerComparer()
    same = agreement.same(keys, [[vote] for vote in votes])
    agreement.close()
    assert [said == key for key, (said,) in zip(keys, same, strict=True)] == [True, True, True, True, False]
