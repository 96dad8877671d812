"""A teacher behind an API: the embedded model on a real server, with faults injected between."""

import asyncio
import json
import socket
from contextlib import contextmanager
from dataclasses import replace

import loopback
import pytest
from conftest import CUBES, DIGITS, SPHERES, TINY, composed
from proxy import Proxy

from qgen import data
from qgen.data.prompts import ask_like
from qgen.mathematics.problem import render
from qgen.rewards import JudgeError, Rewards
from qgen.runs.files import append, rows
from qgen.runs.rundir import Claim
from qgen.settings.reward import RewardConfig, TermConfig
from qgen.stages import run as stages
from qgen.teachers import lessons, questions
from qgen.teachers.client import Client, OutOfBudgetError
from qgen.teachers.ledger import Cost, Ledger

PROBLEMS = [replace(problem, solution="") for problem in (SPHERES, DIGITS, CUBES)]  # as a student writes them
TOPICS = {"topic": [p.topic for p in PROBLEMS], "level": [p.level for p in PROBLEMS]}
NAME = "a-model-whose-name-is-nobodys-business"
KEY = "sk-which-must-not-leak"
FAULTS = ("429", "500", "silence", "cut", "reset", "truncated", "schema")


@pytest.fixture(scope="module")
def upstream():
    """The teacher's address, and what it has replied so far."""
    pytest.importorskip("xllamacpp")
    with loopback.teaching() as address:
        yield address, {}


@pytest.fixture
def teacher(upstream, monkeypatch, tmp_path):
    """A way to put the teacher behind a proxy with a plan of faults; gives the proxy and settings to reach it by."""

    @contextmanager
    def start(*plan: str | None, **settings):
        proxy = Proxy(upstream[0], list(plan), upstream[1])
        with loopback.serving(proxy.application()) as url:
            for name, value in (("URL", f"{url}/v1"), ("MODEL", NAME), ("KEY", KEY)):
                monkeypatch.setenv(f"QGEN_TEACHER_{name}", value)
            yield proxy, replace(quick(tmp_path).teacher, **settings)

    return start


def quick(home, *overrides: str):
    return composed(
        "stage=distill", "teacher=api", "teacher.structured=json_schema", "teacher.temperature=0",
        "teacher.max_tokens=64", "teacher.requests_per_minute=100000", "teacher.backoff=0.01",
        f"teacher.cache={home}/teacher.jsonl", *overrides,
    )  # fmt: skip


def scored(settings, problems=PROBLEMS):
    """The scores of problems, and the client that asked for them."""
    client = Client(settings)
    return client.run(lambda p: client.ask(questions.score(p)), problems), client


def test_what_is_a_valid_reply():
    question = questions.score(SPHERES)
    marks = {"rigor": 4, "difficulty": 3, "innovation": 2, "clarity": 5, "educational_value": 1}
    text = json.dumps(marks)
    for reply in (text, f"<think>Is it {{1}}?</think>\n{text}", f"```json\n{text}\n```"):
        assert question.read(reply).mean == 3.0
    for wrong in ({"rigor": 6}, {"rigor": "4"}, {"rigor": 4.5}, {"rigor": None}, {"beauty": 3}):
        with pytest.raises(ValueError, match=r"rigor|beauty"):
            question.read(json.dumps(marks | wrong))
    for broken in ("", text[:-5], "<think>" + text, "[1, 2]", "very good"):
        with pytest.raises(ValueError, match=r"\w"):
            question.read(broken)


def test_the_ledger_counts_what_a_kill_left_open(tmp_path):
    ledger = Ledger(tmp_path / "t.jsonl")
    with ledger.held():
        paid = ledger.reserve("a", Cost(100, 1.0))
        ledger.settle(paid, Cost(30, 0.3), "answered", "a", "yes")
        ledger.reserve("b", Cost(50, 0.5))
    with (tmp_path / "t.jsonl").open("a") as file:
        file.write('{"attempt": "x", "key": "c", "tok')  # killed while it wrote
    other = Ledger(tmp_path / "t.jsonl")
    with other.held():
        assert other.spent == Cost(80, 0.8)
        assert other.replies == {"a": "yes"}
        other.settle(other.reserve("c", Cost(9, 0.0)), Cost(), "refused", "c")
    with ledger.held():  # sees what the other wrote, and its own once
        assert ledger.spent.tokens == 80
        assert ledger.replies == {"a": "yes"}


def test_faults_lose_nothing_and_pay_for_nothing_twice(teacher):
    with teacher() as (_, settings):
        expected, client = scored(replace(settings, cache=f"{settings.cache}.warm"))  # and computes the replies once
        assert all(1 <= s.mean <= 5 for s in expected)
        worst = client.ledger.spent
    with teacher(*FAULTS, time_out=3.0) as (proxy, settings):
        proxy.wait = 6.0
        found, client = scored(settings)
        assert found == expected
        assert proxy.tally.requests == client.asked == 3 + len(FAULTS)
        assert (len(proxy.tally.good), proxy.tally.again) == (3, 0)
        refused = next(times for times in proxy.tally.times.values() if len(times) > 1)
        assert refused[1] - refused[0] >= proxy.retry_after
        assert proxy.tally.tokens <= client.ledger.spent.tokens  # no less than what a server would charge
        assert client.ledger.spent.tokens > worst.tokens
        again, client = scored(settings)
        assert (again, client.asked) == (expected, 0)


def test_the_budget_is_never_exceeded_and_raising_it_goes_on(teacher):
    with teacher(concurrency=3) as (proxy, settings):
        proxy.delay = 0.2
        _, client = scored(replace(settings, cache=f"{settings.cache}.warm"))
        proxy.tally.requests = proxy.tally.tokens = 0
        proxy.tally.good.clear()
        whole, worst = client.ledger.spent, max(row["tokens"] for row in rows(client.ledger.path))
        settings.budget.tokens = worst + 10  # room for one at a time, whose worst case is far above what it comes to
        with pytest.raises(OutOfBudgetError):
            scored(settings)
        assert 1 <= proxy.tally.requests < 3
        assert proxy.tally.at_once == 3  # the warming: without a tight budget they do run together
        assert 0 < proxy.tally.tokens <= settings.budget.tokens
        settings.budget.tokens = whole.tokens + worst
        found, client = scored(settings)
        assert None not in found
        assert (proxy.tally.requests, proxy.tally.again) == (3, 0)
        assert client.ledger.spent.money == pytest.approx(whole.money)


def test_a_teacher_that_cannot_be_used_says_what_to_set(teacher, tmp_path, monkeypatch):
    with teacher(None, "refused", concurrency=1) as (proxy, settings):
        with pytest.raises(RuntimeError, match="QGEN_TEACHER_KEY") as caught:
            scored(settings)
        assert proxy.tally.requests == 2  # no third after the refusal, and no further attempt
        assert scored(settings)[1].asked == 2  # the first was paid for
        assert KEY not in str(caught.value)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("QGEN_TEACHER_URL", f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        settings = quick(tmp_path, "teacher.retries=1", f"teacher.cache={tmp_path}/none.jsonl").teacher
        with pytest.raises(RuntimeError, match="QGEN_TEACHER_URL") as caught:
            scored(settings)
    assert "127.0.0.1" not in str(caught.value)
    assert KEY not in str(caught.value)
    monkeypatch.delenv("QGEN_TEACHER_URL")
    with pytest.raises(RuntimeError, match="QGEN_TEACHER_URL"):
        Client(settings)


def test_replies_that_stay_invalid_are_failures_and_no_scores(teacher):
    with teacher(*["schema"] * 3, retries=2) as (proxy, settings):
        found, client = scored(settings, PROBLEMS[:1])
        assert found == [None]
        assert next(iter(client.ledger.failed.values())).startswith("an invalid reply: ")
        assert proxy.tally.requests == 3
        assert scored(settings, PROBLEMS[:1])[1].asked == 0  # for good
        verdict = lessons.teach(client, quick("."), [(ask_like(composed().prompt, SPHERES), PROBLEMS[0])])[0]
        assert (verdict.scores, verdict.lessons) == (None, [])


class Scripted:
    """A client whose teacher finds all problems good, or bad, and replies as told."""

    def __init__(self, mark: int, *replies: questions.Written):
        self.mark, self.replies = mark, iter(replies)

    async def ask(self, question):
        if question.reply is questions.Scores:
            return questions.Scores(**dict.fromkeys(questions.Scores.model_fields, self.mark))
        return next(self.replies)

    def run(self, work, items, *_):
        async def every():
            return [await work(item) for item in items]

        return asyncio.run(every())


def test_a_program_has_the_answer_to_the_teacher_s_other_numbers():
    statement = "In how many ways can 4 players be chosen of 9 players, if their order does not matter?"
    old = replace(DIGITS, statement=statement, answer="126", program="from math import comb\nprint(comb(9, 4))")
    config = quick(".", "prompt.solution=program", "teacher.variations=1")
    draft = [(ask_like(config.prompt, old), old)]
    for changed, answer in (
        (statement.replace("9", "11"), "330"),
        (statement.replace("9 players", "9 chess players"), "5"),
    ):
        (verdict,) = lessons.teach(Scripted(5, questions.Written(statement=changed, answer="5")), config, draft)
        assert [lesson.task for lesson in verdict.lessons] == ["keep", "parameter"]
        assert verdict.lessons[1].problem.answer == answer
    better = questions.Written(statement="How many ways are there to choose 3 of 8 books?", answer="56")
    (verdict,) = lessons.teach(Scripted(1, better, better), config, draft)
    assert verdict.lessons[0].problem.program is None  # the student's program was of another problem


def test_the_reward_term_pays_once_and_raises_when_its_judge_is_broken(teacher):
    written = [render(PROBLEMS[0]), "no problem", render(PROBLEMS[0])]
    columns = {name: [values[0]] * 3 for name, values in TOPICS.items()}
    with teacher(None, "refused") as (proxy, settings):
        rewards = Rewards(RewardConfig(terms={"teacher": TermConfig()}, gate=None), [], None, settings)
        values = rewards.score([""] * 3, written, **columns).terms["teacher"]
        assert proxy.tally.requests == 1
        assert values[1] == 0.0
        assert values[0] == values[2]
        assert values[0] == (scored(settings, PROBLEMS[:1])[0][0].mean - 1) / 4
        with pytest.raises(JudgeError, match="QGEN_TEACHER_KEY"):
            rewards.score([""], [render(CUBES)])
    with pytest.raises(ValueError, match="teacher=api"):
        Rewards(RewardConfig(terms={"teacher": TermConfig()}, gate=None), [])


def test_a_stage_learns_from_the_teacher_and_writes_nothing_of_who_it_is(teacher, tmp_path):
    config = quick(
        tmp_path, *TINY, "stage.max_steps=2", "stage.gradient_accumulation_steps=1",
        "stage.per_device_train_batch_size=1", "validation.every=0", "~reward.terms.difficulty",
    )  # fmt: skip
    out = tmp_path / "out"
    out.mkdir()
    drafts = [{"prompt": ask_like(config.prompt, p), "topic": p.topic, "level": p.level, "reward": 1.0,
               "completion": [{"role": "assistant", "content": render(p)}]} for p in PROBLEMS[:1]]  # fmt: skip
    append(out / "drafts.jsonl", drafts)  # what a run had its student write before it was stopped
    with teacher("500") as (_, settings):
        config.teacher = replace(settings, keep=1.0, retries=1)
        stages.run(config, data.load(config.data), out, None, Claim(), {})
        kept = [row for row in rows(out / "winners.jsonl") if row["task"] == "keep"]
        assert [row["completion"] for row in kept] == [row["completion"] for row in drafts]
        verdicts = rows(out / "verdicts.jsonl")
        assert [set(v["scores"]) for v in verdicts] == [set(questions.Scores.model_fields)]
        variations = sum(len(v["lessons"]) - 1 for v in verdicts)
        ledger = Ledger(tmp_path / "teacher.jsonl")
        with ledger.held():
            assert variations + len(ledger.failed) == 1  # written, or failed and counted
        assert len(rows(out / "metrics.jsonl")) == 2
    secrets = (KEY, NAME, "127.0.0.1")
    for path in (p for p in tmp_path.rglob("*") if p.is_file()):
        assert not any(secret.encode() in path.read_bytes() for secret in secrets), path
