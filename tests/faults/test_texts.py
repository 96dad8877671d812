"""Rows and replies that hold half of their LaTeX, other things than text, or a problem that is read back as another."""

import json
from dataclasses import replace

import pytest
from conftest import CUBES, DIGITS, SPHERES, composed

from qgen import data
from qgen.data import columns, jsonl, openmath
from qgen.data.curate import curate
from qgen.data.mix import chat, variations
from qgen.mathematics.escapes import foreign, restored
from qgen.mathematics.problem import Fault, Problem, misread, parse, render
from qgen.reporting.tables import corpus_table, show
from qgen.teachers.questions import Question, Worked

CONFIG = composed().data
ROW = {"problem": "Find the sum of the digits of $2^{10}$, please.", "answer": "7", "solution": "It is $1+0+2+4=7$."}


def lines(path, *rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return str(path)


def read(tmp_path, *rows):
    path = lines(tmp_path / "p.jsonl", *rows)
    return list(jsonl.read(composed("data=jsonl", f"data.path={path}").data))


# JSON as somebody writes it who does not double backslashes
EATEN = [
    (r'"$\frac{1}{2}$, \\(\binom{5}{2}\\) or \\[\rho\\]"', r"$\frac{1}{2}$, \(\binom{5}{2}\) or \[\rho\]"),
    (r'"$x\neq 3$ and $\nabla f$"', r"$x\neq 3$ and $\nabla f$"),
    (r'"$x \to \frac12$, $x\ne 3$"', r"$x \to \frac12$, $x\ne 3$"),
    (r'"$$\n\\begin{cases}\n\ta\\\\\n\\end{cases}$$"', "$$\n\\begin{cases}\n a\\\\\n\\end{cases}$$"),
    (r'"In $\\alpha =\ne^x$ a line\r\nbreaks,\tor so."', "In $\\alpha =\ne^x$ a line\nbreaks, or so."),
]  # fmt: skip


@pytest.mark.parametrize(("written", "meant"), EATEN)
def test_fault_1_escapes_are_restored_in_mathematics(written, meant):
    assert restored(json.loads(written)) == meant
    assert restored(meant) == meant


@pytest.mark.parametrize(
    ("written", "names"),
    [
        (r'"a third is \frac{1}{3}"', "form feed"),  # outside of mathematics
        (r'"\textbf{Find} $x$"', "tab"),
        (r'"$5\tg x$"', "tab"),  # no command that is listed
        (r'"$\foo$"', "form feed"),
        (r'"$x\ne 3$"', "line break"),  # or a line that begins with e?
        (r'"$\u0000$"', r"U\+0000"),
        (r'"\u001b[31mred"', r"U\+001B"),
        (r'"a\u0085b"', r"U\+0085"),
        (r'"one\rtwo"', "carriage return"),
        (r'"\ud800"', "surrogate"),
    ],
)
def test_fault_1_what_may_be_half_a_command_is_refused(written, names):
    with pytest.raises(ValueError, match=names):
        restored(json.loads(written))


def test_fault_1_an_answer_without_dollars_is_mathematics(tmp_path):
    raw = r'{"problem": "Find $\theta$ where $\tan\theta = \frac{1}{2}$, please.", "answer": "\frac{1}{2}", "level": 3}'
    (problem,) = read(tmp_path, raw)
    assert problem.statement == r"Find $\theta$ where $\tan\theta = \frac{1}{2}$, please."
    assert problem.answer == r"\frac{1}{2}"


def test_fault_1_a_row_that_cannot_be_restored_is_counted_and_named(tmp_path):
    broken = r'{"problem": "Find the number \frac{1}{2} of it all, please.", "answer": "1"}'
    corpus = curate(read(tmp_path, ROW, broken, broken), CONFIG)
    assert corpus.reasons() == r"2 statement holds a form feed (\f) (p.jsonl:2, p.jsonl:3)"


@pytest.mark.parametrize("char", ["\0", "\b", "\t", "\f", "\r", "\x1b", "\x7f", "\x85", "\ud800"])
def test_fault_1_no_control_character_is_in_a_problem(char):
    text = render(SPHERES)
    assert parse(text.replace("spheres", f"spheres{char}")).kind == "control character"
    assert (
        parse(text.replace("Answer: ", f"Answer: {char}")).kind == "control character"
    )  # which strip() would take away
    assert foreign("two\nlines\r\nand more") is None
    assert isinstance(parse(text.replace("\n", "\r\n")), Problem)


def test_fault_1_a_teachers_reply_is_restored_or_invalid():
    question = Question("improve", (), Worked)
    raw = r'{"statement": "Find $\theta$ with $\tan\theta=\frac12$.", "answer": "\frac12", "solution": "$\binom52$"}'
    reply = question.read(raw)
    assert (reply.statement, reply.answer, reply.solution) == (
        r"Find $\theta$ with $\tan\theta=\frac12$.",
        r"\frac12",
        r"$\binom52$",
    )
    for bad in (raw.replace("$\\binom52$", "\\binom52"), raw.replace("Find", r"\u001bFind")):
        with pytest.raises(ValueError, match="holds"):
            question.read(bad)


def test_fault_1_chat_keeps_its_tabs_alone(tmp_path):
    def said(content):
        turns = [{"role": "user", "content": "Well?"}, {"role": "assistant", "content": content}]
        return chat(lines(tmp_path / "c.jsonl", {"messages": turns}))

    assert said("if x:\n\treturn")[0]["completion"][0]["content"] == "if x:\n\treturn"
    for bad in ("\ud800", "\0", "\x1b[0m"):
        with pytest.raises(RuntimeError, match=r"c\.jsonl:1: a turn holds"):
            said(bad)


@pytest.mark.parametrize(
    ("value", "answer"), [(239, "239"), (239.0, "239"), (0.5, "0.5"), (["7"], "7"), ([7.0], "7"), (" 7 ", "7")]
)  # fmt: skip
def test_fault_2_harmless_answers_become_text(tmp_path, value, answer):
    (problem,) = read(tmp_path, ROW | {"answer": value})
    assert problem.answer == answer


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"answer": float("nan")}, "answer is NaN"),
        ({"answer": float("inf")}, "answer is infinite"),
        ({"answer": True}, "answer is true or false"),
        ({"answer": 1e20}, "answer is no exact number"),
        ({"answer": 1e-7}, "answer is no exact number"),
        ({"answer": None}, "answer is null"),
        ({"answer": {"value": 7}}, "answer is an object"),
        ({"answer": "\ud800"}, "answer holds half a surrogate pair"),
        ({"problem": None}, "statement is null"),
        ({"problem": 12}, "statement is a number"),
        ({"subject": ["Mathematics", "Sequence"]}, "topic is a list"),
        ({"subject": {"name": "Algebra"}}, "topic is an object"),
        ({"subject": 3}, "topic is a number"),
        ({"solution": ["one", "two"]}, "solution is a list"),
        ({"points": ["primes", 2]}, "points is a number"),
        ({"source": {"book": 1}}, "source is an object"),
        *(({"level": bad}, "level is no number from 1 to 5") for bad in (9, 0, 2.5, True, "hard", [3], float("nan"))),
    ],
)
def test_fault_2_what_is_no_text_is_left_out_by_name(tmp_path, changed, reason):
    good, bad = read(tmp_path, ROW, ROW | changed)
    assert isinstance(good, Problem)
    assert bad == Fault(reason, "p.jsonl:2")


def test_fault_2_thousands_of_digits(tmp_path):
    _, bad = read(tmp_path, ROW, json.dumps(ROW).replace('"7"', "1" * 5001))
    assert bad == Fault("answer is thousands of digits", "p.jsonl:2")
    with pytest.raises(RuntimeError, match=r"p\.jsonl:1: .*nested too deeply"):
        read(tmp_path, "[" * 200_000)


def test_fault_2_columns_take_what_they_say(tmp_path):
    row = ROW | {"subject": ["Sequence"], "level": "Level 3", "points": "digits", "solution": None, "id": 5.0}
    (problem,) = read(tmp_path, row)
    assert (problem.topic, problem.level, problem.points, problem.solution) == ("Sequence", 3, ("digits",), "")
    assert problem.id == "5"
    assert columns.level("level", 3.0) == 3
    assert columns.level("level", " ") is None
    assert columns.names("points", []) == columns.names("points", None) == ()


def test_fault_2_repeated_ids(tmp_path):
    rows = [ROW | {"id": "a"}, ROW | {"id": "a", "problem": DIGITS.statement}, ROW | {"id": ""}, ROW | {"id": None}]
    first, again, *unnamed = read(tmp_path, *rows)
    assert first.id == "a"
    assert again == Fault("repeated id", "p.jsonl:2")
    assert [p.id.rpartition("/")[2] for p in unnamed] == ["p.jsonl:3", "p.jsonl:4"]


def test_fault_2_the_table_names_the_first_rows(tmp_path, capsys):
    bad = [ROW | {"subject": ["a", "b"]}] * 5
    path = lines(tmp_path / "p[1].jsonl", *bad)
    corpus = curate(jsonl.read(composed("data=jsonl", f"data.path='{path}'").data), CONFIG)
    show(corpus_table(corpus))
    said = " ".join(capsys.readouterr().out.split())
    assert "dropped: 5 topic is a list (p[1].jsonl:1, p[1].jsonl:2, p[1].jsonl:3, ...)" in said


def test_fault_2_a_file_of_bad_rows_says_so(tmp_path):
    path = lines(tmp_path / "p.jsonl", *[ROW | {"answer": float("nan")}] * 3)
    with pytest.raises(RuntimeError, match=r"of 3 read \(3 answer is NaN \(p\.jsonl:1"):
        data.load(composed("data=jsonl", f"data.path={path}").data)


def test_fault_2_openmath_rows_are_held_to_the_same():
    row = {"problem": ROW["problem"], "expected_answer": "7", "generated_solution": "<think>a</think>b"}
    assert openmath.problem(row, 0).solution == "b"
    for changed in ({"problem": None}, {"expected_answer": float("nan")}, {"generated_solution": ["a", "b"]}):
        with pytest.raises(columns.ColumnError):
            openmath.problem(row | changed, 0)
    assert [openmath.level(rate) for rate in (float("nan"), float("inf"), -1, 2, 1.0)] == [None, None, None, None, 1]


@pytest.mark.parametrize("answer", ["nan", "NaN", "null", "None"])
def test_fault_2_words_for_nothing_are_no_answer(answer):
    assert parse(render(replace(SPHERES, answer=answer))).kind == "no answer"


QUESTION = replace(
    SPHERES, statement="Three spheres lie on a plane.\nQuestion: What is the least radius that they have?"
)
CHINESE = replace(SPHERES, statement="三个球半径为 $2$，放在平面上。\n问题：过三个切点的圆的半径是多少？")
SOLVED = replace(DIGITS, solution=DIGITS.solution + "\nAnswer: 210")
SPLIT = replace(
    SPHERES, statement="How many sets of spheres touch all of the planes?\nSolution: sets are those of equations."
)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_fault_3_what_is_read_back_as_another_text_is_dropped(language):
    plain, worked = (composed(f"prompt={language}", f"prompt.solution={on}").prompt for on in ("false", "true"))
    rows = [SPHERES, CUBES, replace(QUESTION, id="q"), replace(CHINESE, id="c"), replace(SPLIT, id="s"), SOLVED]
    loose = composed("data.min_quality=0").data
    corpus = curate(rows, loose, plain)
    assert corpus.reasons() == (
        "2 read back as another text: two problems (q, c), 1 read back as another text: other parts (s)"
    )
    assert SOLVED.statement in {p.statement for p in corpus.train + corpus.heldout}  # its solution is not written
    corpus = curate([SPHERES, CUBES, SOLVED], loose, worked)
    assert corpus.reasons() == "1 read back as another text: disorder (digits)"


@pytest.mark.parametrize("solution", [False, True])
def test_fault_3_all_of_champ_is_read_back(solution):
    prompt = composed(f"prompt.solution={solution}").prompt
    corpus = data.load(CONFIG, prompt)
    assert (len(corpus.train), len(corpus.heldout)) == (205, 36)
    assert data.fingerprint(corpus.train) == "643fdf1e82f73f8e"
    assert not any(misread(p, "zh", solution) for p in corpus.train)


def test_fault_3_variations_are_read_back_too(tmp_path, capsys):
    good = {"original": render(DIGITS), "statement": DIGITS.statement.replace("four", "five"), "answer": "252"}
    bad = good | {"statement": "Take them all.\nQuestion: how many five-digit numbers have decreasing digits?"}
    path = lines(tmp_path / "v.jsonl", good, bad)
    assert len(variations(path, composed().prompt, [SPHERES], 0.85)) == 1
    assert "1 left out that would be read back as another text: two problems (line 2)" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match=r"v\.jsonl:1: answer is NaN"):
        variations(lines(tmp_path / "v.jsonl", good | {"answer": float("nan")}), composed().prompt, [SPHERES], 0.85)
