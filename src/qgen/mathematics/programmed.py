"""A problem with a program: the answer is what the program prints. What its writer states beside it is compared and
kept for the log, never believed. Where numbers of the statement change, so do the program's, and the answer with them.
"""

import io
import re
import tokenize
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate, chain
from typing import Any

from qgen.mathematics import latex
from qgen.mathematics.equivalence import AnswerComparer, final_answer
from qgen.mathematics.numerals import FIXED, FRACTIONAL, accounted, changes, numbers, parameters, with_numbers
from qgen.mathematics.problem import Fault, Problem, fault, parse
from qgen.programs import Limits, Outcome, run

LIMITS = Limits(seconds=1.0)  # of 1,712 that qwen_coder wrote, 21 took longer: 20 for ever, one 2.6 s
DIGITS = 9  # of an integer in a program that may change
STARTS = (0, 1)  # where a program may begin, whatever the statement says
_GIVEN = re.compile(
    r"^(?P<name>[a-zA-Z]\w*)[ \t]*=[ \t]*"
    r"(?P<value>[\[(]?-?(?P<first>\d{1,18})(?:,(?:[\d\s,-]*[\s,-])?(?P<last>\d{1,18}))?[\])]?)[ \t]*(?:#.*)?$", re.M
)  # fmt: skip
_CALL = re.compile(r"^print\([ \t]*(?P<name>[a-zA-Z]\w*)\((?P<value>-?\d+(?:,[ ]?-?\d+)*)\)[ \t]*\)", re.M)
_EXAMPLES = {"sequence", "numbers", "integers", "nums", "list", "lst", "arr", "array", "data", "values"}
_SENTENCE = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{2,},?\s+[a-zA-Z]{2,}")
_DECIMAL = re.compile(r"(?<!\d)\d*\.\d{5,}")  # no money
_ROUNDED = 9  # significant digits from which a decimal is what a float was cut to: ten are told (programs.outcome)
_LONG = 1000  # characters of a decimal that are looked at: Python makes no number of 4,300 digits and more
_ASKED = re.compile(  # a round table, or five people around it, asks for none
    r"decimal|approximat|nearest|\bround(?:ed|ing| (?:your|the|it|to|off|up|down|each|all))\b|estimate|significant|"
    r"近似|小数|精确到|保留|四舍五入|约为",
    re.I,
)
_UNDONE = re.compile(  # truth values, and what sympy leaves as it was
    r"\\(?:sum|prod|int|lim|tilde)(?![a-zA-Z])|\\operatorname\{[A-Z]|\\frac\{d\}\{d|"
    r"\b(?:True|False|NaN|(?:Sum|Product|Integral|Limit|Derivative|ConditionSet)(?=\())"
)
_ROUNDS = re.compile(r"//|\b(?:int|round|floor|ceil|trunc|divmod|isqrt)\b")  # 61 // 3 does not say that it left one


@dataclass(frozen=True)
class Computed:
    """A problem whose program was run.

    Attributes:
        problem: with the program's answer in the place of the stated one; a Fault where there is none.
        outcome: of the program.
        stated: the answer that stood there.
        same: whether that means what the program printed; None where it printed nothing.
    """

    problem: Problem | Fault
    outcome: Outcome
    stated: str
    same: bool | None

    def plain(self) -> dict[str, Any]:
        """What a line of samples.jsonl and a certificate say of it: the answer as it stands, or the fault; what was
        printed, whether exact; what was stated, and whether that means the same."""
        found = self.problem
        return {
            "answer": found.answer if isinstance(found, Problem) else None,
            "fault": [found.kind, found.detail] if isinstance(found, Fault) else None,
            "printed": self.outcome.answer,
            "exact": self.outcome.exact,
            "stated": self.stated,
            "same": self.same,
        }


def compute(
    problems: list[Problem],
    agreement: AnswerComparer,
    limits: Limits = LIMITS,
    run: Callable[[Sequence[str], Limits], Sequence[Outcome]] = run,
) -> list[Computed]:
    """Each of these problems, all of which have a program, with the answer that it computes.

    A Fault of the kind "program" says why a program gives none: it was refused, failed, took too long, printed a float
    too large to mean a number, made up what the statement leaves open (`invented`), knows a rounded value alone
    (`rounded`), or prints a truth value or what sympy could not work out, such as an integral. Where the stated answer
    means the same and is no sentence, its spelling is kept. What is wrong with the problem under its new answer (it may
    stand in the statement) is a Fault as anywhere.

    Args:
        run: what becomes of programs under limits, in their order (programs.run).

    Raises NoWallError where this machine cannot hold programs.
    """
    outcomes = run([problem.program or "" for problem in problems], limits)
    results = [
        outcome.decimal if _ASKED.search(problem.statement) else outcome.value
        for problem, outcome in zip(problems, outcomes, strict=True)
    ]
    ran = [i for i, result in enumerate(results) if result is not None]
    stated = [(final_answer(problem.answer) or problem.answer).rstrip(".") for problem in problems]
    counted = agreement.count([stated[i] for i in ran], [[results[i]] for i in ran])
    same = {i: count[0] > 0 for i, count in zip(ran, counted, strict=True)}
    found = []
    for i, (problem, outcome, result) in enumerate(zip(problems, outcomes, results, strict=True)):
        if result is None or (made_up := invented(problem)):
            if result is None:
                told = ": ".join(filter(None, (outcome.reason or "inexact", outcome.detail or outcome.answer)))
            else:
                told = f"invented: {made_up} is not in the statement"
            found.append(Computed(Fault("program", told), outcome, problem.answer, None))
            continue
        answered = replace(problem, answer=stated[i] if same[i] and not _worded(stated[i]) else result)
        wrong = fault(answered)
        if left := _UNDONE.search(answered.answer):
            wrong = Fault("program", f"undone: an answer with {left.group()} is none")
        elif cut := rounded(answered):
            wrong = Fault("program", f"rounded: {cut:.20} is no exact answer")
        found.append(Computed(wrong or answered, outcome, problem.answer, same[i]))
    return found


def _worded(answer: str) -> bool:
    """Whether an answer is a sentence, or more than a line."""
    return bool(_SENTENCE.search(answer)) or "\n" in answer


def compute_where(problems: Sequence[Problem], agreement: AnswerComparer) -> list[Computed | None]:
    """What `compute` finds of each problem that has a program; None for one without."""
    found = iter(compute([problem for problem in problems if problem.program is not None], agreement))
    return [next(found) if problem.program is not None else None for problem in problems]


def invented(problem: Problem) -> str | None:
    """What a problem's program sets an unknown of the statement to, or gives to its own function, though the statement
    has no such number: an example in the place of what is asked for. None where it does no such thing.

    Of 86 problems of a real model whose program and votes agreed, ten had another answer or none when they were worked
    out by hand (benchmarks/results/real/h200/answers.jsonl), and four of these were so.
    """
    text, source = problem.statement, problem.program or ""
    said = {value for _, _, value in numbers(text)} | set(STARTS)
    unknowns = set(re.findall(r"[a-zA-Z]", "".join(found.group() for found in latex.MATH.finditer(text))))
    for line in _GIVEN.finditer(source):
        name, ends = line["name"], {int(number) for number in (line["first"], line["last"]) if number}
        begun = re.search(rf"^[ \t]*{name}\s*[-+*/]+=", source, re.M)  # where a search begins
        if (name in unknowns or name.lower() in _EXAMPLES) and not begun and not ends <= said:
            return f"{name} = {line['value']}"
    for call in _CALL.finditer(source):
        own = re.search(rf"^def {call['name']}\b", source, re.M)
        if own and not said.issuperset(map(int, re.findall(r"\d+", call["value"]))):
            return f"{call['name']}({call['value']})"
    return None


def rounded(problem: Problem) -> str | None:
    """The decimal in an answer that a float was cut to, such as 0.8660254038 for half the root of three; None without
    one, and where the statement asks for a decimal. Problems of competitions have exact answers."""
    if _ASKED.search(problem.statement):
        return None
    for found in _DECIMAL.findall(problem.answer):
        digits, power = found.replace(".", "").lstrip("0"), Fraction(found[:_LONG]).denominator
        if len(digits) >= _ROUNDED and power & (power - 1):  # 3.99609375 is 1023/256 to the digit
            return found
    return None


def recalled(text: str, ran: dict[str, Any] | None) -> Problem | Fault:
    """What a text is that was read before, by what was found of its program then (Computed.plain): nothing is run."""
    found = parse(text)
    if isinstance(found, Fault) or not ran:
        return found
    return Fault(*ran["fault"]) if ran["fault"] else replace(found, answer=ran["answer"])


def recomputed(pairs: Sequence[tuple[Problem, Problem]], agreement: AnswerComparer) -> list[Computed | None]:
    """What parameter changes come to: each second problem with the first's program, the second's numbers in it, and the
    exact answer that this computes.

    None where that would be no proof: the first has no program, or not its answer from it; more than numbers changed; a
    number that changed cannot be found in the program in one place alone (`changed`), or alone changes no answer.

    Raises NoWallError where this machine cannot hold programs.
    """
    wanted: dict[int, list[str]] = {}
    for i, (old, new) in enumerate(pairs):
        moved = {a: b for a, b in (changes(old.statement, new.statement) or {}).items() if a != b}
        if moved and with_numbers(old.statement, moved) == new.statement:
            steps = [*({a: b} for a, b in moved.items()), moved]
            programs = [program for step in steps if (program := changed(old, step)) is not None]
            if old.program is not None and len(programs) == len(steps):
                wanted[i] = [old.program, *programs]
    sources = list(dict.fromkeys(chain(*wanted.values())))
    outcomes = zip(sources, run(sources, LIMITS), strict=True)
    answers = {source: outcome.answer if outcome.exact else None for source, outcome in outcomes}
    keys = [pairs[i][0].answer for i in wanted]
    same = agreement.same(keys, [[answers[source] for source in of] for of in wanted.values()])
    sound = [
        i
        for i, key, (own, *others) in zip(wanted, keys, same, strict=True)
        if own == key and None not in others and key not in others
    ]
    found: list[Computed | None] = [None] * len(pairs)
    made = compute([replace(pairs[i][1], program=wanted[i][-1]) for i in sound], agreement)
    for i, computed in zip(sound, made, strict=True):
        found[i] = computed
    return found


def changed(problem: Problem, moved: dict[int, int]) -> str | None:
    """The problem's program with other numbers, comments that tell of numbers left out. None where one of them may
    stand for something else, or where the program rounds: its answer to other numbers may then be none.

    A number of the statement is the program's where each has it once, and it is clear where all of the program's
    numbers come from (numerals.accounted); 0 is nobody's. Texts and names may hold none of the numbers that change.

    Args:
        moved: the new value for the old one, of numbers that may change (numerals.parameters).
    """
    text, source = problem.statement, problem.program
    values, stated = parameters(text), [value for _, _, value in numbers(text)]
    if source is None or FIXED.search(text) or FRACTIONAL.search(text) or _ROUNDS.search(source):
        return None
    found = _numbers(source) if set(moved) <= set(values) else None
    if found is None or not accounted({value for _, _, value in found if value}, values, text):
        return None
    held = [value for _, _, value in found] + [int(digits) for digits in re.findall(r"[a-zA-Z_](\d{1,9})\b", source)]
    if any(held.count(value) != 1 or stated.count(value) != 1 for value in moved):
        return None
    pieces, at = [], 0
    for start, end, value in found:
        pieces += [source[at:start], "" if value is None else str(moved.get(value, value))]
        at = end
    return "".join([*pieces, source[at:]])


def _numbers(source: str) -> list[tuple[int, int, int | None]] | None:
    """The numbers of a program: (start, end, value), and its comments that tell of some, of value None. None where
    there are others than integers, or where texts have some. It is tokenized, not parsed: Python's parser recurses, and
    a model wrote this."""
    begins = [0, *accumulate(len(line) + 1 for line in source.split("\n"))]
    found: list[tuple[int, int, int | None]] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if not re.search(r"\d", token.string) or token.type == tokenize.NAME:
                continue
            whole = token.type == tokenize.NUMBER and token.string.isdecimal() and len(token.string) <= DIGITS
            if not whole and token.type != tokenize.COMMENT:
                return None
            start, end = (begins[line - 1] + column for line, column in (token.start, token.end))
            found.append((start, end, int(token.string) if whole else None))
    except (tokenize.TokenError, SyntaxError):
        return None
    return found
