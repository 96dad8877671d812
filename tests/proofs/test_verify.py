"""qgen.verify: verdicts beside anybody's problems, by programs in the sandbox and a solver on loopback."""

import json
from contextlib import contextmanager

import pytest
from conftest import qgen
from llama_loopback import loopback

from qgen.programs import NoWallError, pool
from qgen.proofs import engines, verification
from qgen.runs.files import rows
from qgen.settings.verify import ColumnsConfig, VerifyConfig

PROBLEMS = [
    {"problem": "What is the remainder when $10^{2020}$ is divided by $13$?", "answer": "3", "level": 2,
     "program": "print(pow(10, 2020, 13))"},
    {"problem": "What is the sum of the first ten positive integers?", "answer": 55, "level": 1},
    {"problem": "How many primes are below ten?", "answer": "5", "level": 1},
    {"problem": "What is the product of $6$ and $7$?", "answer": "42", "program": "while True: pass"},
    {"problem": "What is the sum of the multiples of $3$ up to $100$?", "answer": "168",
     "program": "print(sum(range(3, 101, 3)))"},
    {"problem": "Prove that there are infinitely many primes.", "answer": ""},
    {"problem": "How many primes are below $10$?", "answer": None},
]  # fmt: skip
RIGHT = {"remainder": 3, "first ten": 55, "below ten": 4, "product": 42, "multiples": 1683}


def knows(prompt: str, seed: int) -> str:
    """What a solver writes that knows the answers."""
    answer = next(value for word, value in RIGHT.items() if word in prompt)
    return f"```python\nprint({answer})\n```" if "Python" in prompt else f"It is \\boxed{{{answer}}}."


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "theirs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in PROBLEMS))
    return path


def serve(monkeypatch, reply):
    """Have verification's solver be a loopback server; the prompts that it is asked."""
    asked = []

    @contextmanager
    def opened(config):
        with loopback(reply) as engine:
            engine.asked = asked
            yield engine
            asked.extend(engine.asked)

    def counting(prompt, seed):
        asked.append(prompt)
        return inner(prompt, seed)

    inner, reply = reply, counting
    monkeypatch.setattr(engines, "opened", opened)
    monkeypatch.setattr(engines, "by_llamacpp", lambda config: True)
    return asked


def test_verdicts_and_going_on_after_a_kill(file, monkeypatch):
    asked = serve(monkeypatch, knows)
    config = VerifyConfig(file=str(file), samples=4, batch_size=2)
    killed = verification.append
    turns = iter(range(9))

    def dying(path, found):
        if next(turns) == 2:
            raise KeyboardInterrupt
        killed(path, found)

    monkeypatch.setattr(verification, "append", dying)
    with pytest.raises(KeyboardInterrupt):
        verification.verify(config)
    monkeypatch.setattr(verification, "append", killed)
    out = file.with_name("theirs.verified.jsonl")
    before = {row["line"]: row for row in rows(out)}
    assert sorted(before) == [1, 2, 6, 7]
    asked.clear()
    _, found = verification.verify(config)
    assert not any("remainder" in prompt or "first ten" in prompt for prompt in asked)
    assert [row["proof"] for row in found] == ["computed", "voted", "refuted", "voted", "refuted", "none", "none"]
    assert [row["line"] for row in found] == [1, 2, 3, 4, 5, 6, 7]
    assert found[2]["votes"]["other"] == "4"
    assert found[3]["outcome"]["reason"] == "timeout"
    assert "another answer: 1683" in found[4]["says"]
    assert found[5]["why"] == "asks for a proof, which nothing computes"
    assert found[6]["why"] == "no answer"
    assert all(row["hashes"]["statement"] for row in found[:5])
    asked.clear()
    assert verification.verify(config)[1] == found
    assert not asked
    levels = verification.by_level(found)
    assert levels[1] == {"voted": 1, "refuted": 1}
    assert list(levels) == [1, 2, None]
    verification.verify(VerifyConfig(file=str(file), samples=6))  # another solver's verdicts are others
    assert asked


def test_a_solver_that_answers_nothing_stops_it(file, monkeypatch):
    serve(monkeypatch, lambda prompt, seed: "I do not know.")
    with pytest.raises(RuntimeError, match=r"answered none of .* attempts at 5 problems: raise max_new_tokens=384"):
        verification.verify(VerifyConfig(file=str(file), samples=4))
    assert [row["line"] for row in rows(file.with_name("theirs.verified.jsonl"))] == [6, 7]


def test_no_sandbox_is_said(file, monkeypatch):
    def none(self, wanted):
        raise NoWallError("programs that a model wrote are not run here: fence: yes")

    monkeypatch.setattr(pool.Pool, "_open", none)
    with pytest.raises(NoWallError, match="are not run here"):
        verification.verify(VerifyConfig(file=str(file), solver=None))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file"),
        ("", "the file is empty"),
        ('{"problem": "What is $1+1$?"}\n', "1: no 'answer' (answer); it has 'problem'. fields.answer=COLUMN"),
        (
            '{"problem": "Prove that $1+1=2$.", "answer": ""}\n',
            "none of 1 rows can be verified (line 1: asks for a proof",
        ),
        ('{"problem": "What is $1+1$?", "answer": null}\n', "(line 1: no answer)"),
        ("not JSON\n", "1: not JSON"),
    ],
)
def test_files_that_cannot_be_verified(tmp_path, content, says):
    path = tmp_path / "a.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(RuntimeError) as error:
        verification.verify(VerifyConfig(file=str(path), solver=None))
    assert says in str(error.value)


def test_columns_of_other_names(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "What is $1+1$?", "key": 2}\n')
    fields = ColumnsConfig(statement="text", answer="key")
    (entry,) = verification.read(VerifyConfig(file=str(path), fields=fields))
    assert (entry.problem.statement, entry.problem.answer) == ("What is $1+1$?", "2")


def test_the_command(file):
    done = qgen(str(file.name), "solver=null", cwd=file.parent, module="verify")
    assert done.returncode == 0, done.stderr
    for said in ("7 problems: what is known of their answers", "1 not verified: no answer (line 7)",
                 "line 5: refuted: its program disagrees; another answer: 1683 (stated: 168)",
                 "verdicts: theirs.verified.jsonl"):  # fmt: skip
        assert said in done.stdout
    again = qgen(str(file.name), "solver=null", cwd=file.parent, module="verify")
    assert "7 of 7 are known already" in again.stdout
    for arguments, says in [
        ([], "say which problems: python -m qgen.verify FILE"),
        (["none.jsonl"], "none.jsonl: no such file"),
        (["file=."], ".: no such file"),
        (["theirs.jsonl", "sampels=3"], "did you mean samples?"),
        (["theirs.jsonl", "solver=nowhere.gguf"], "nowhere.gguf: there is no such file"),
    ]:
        done = qgen(*arguments, cwd=file.parent, module="verify")
        assert done.returncode == 1
        assert says in done.stderr
        assert "gguf" in says or not (file.parent / "verify.log").exists()
