"""A teacher's replies in the shapes that real servers and reasoning models give them, none of which may be lost or paid
for in vain."""

import json
import socket
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from aiohttp import web
from conftest import SPHERES, composed

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "teachers"))

from loopback import serving

from qgen.runs.files import append
from qgen.settings.choices import Kind
from qgen.teachers import questions
from qgen.teachers.client import Client, RefusedError
from qgen.teachers.ledger import Ledger

KEY = "sk-which-must-not-leak"
NAME = "a-model-whose-name-is-nobodys-business"
PROBLEM = replace(SPHERES, solution="")
QUESTION = questions.score(PROBLEM)
MARKS = {"rigor": 4, "difficulty": 3, "innovation": 2, "clarity": 5, "educational_value": 1}
JSON = json.dumps(MARKS)
OTHER = json.dumps(MARKS | {"rigor": 1})
DRAFT = r"Let $S=\{1,2\}$ and {rigor: high}. Perhaps " + OTHER


def completion(content: object = JSON, usage: object = None, reason: str = "stop") -> dict:
    """What a server answers, with a content of its choice."""
    message = {"role": "assistant", "content": content}
    usage = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30} if usage is None else usage
    return {"id": "1", "object": "chat.completion", "created": 1, "model": NAME, "usage": usage,
            "choices": [{"index": 0, "message": message, "finish_reason": reason}]}  # fmt: skip


class Server:
    """Answers POST requests to any path with these bodies, and with the last one for good."""

    def __init__(self, *bodies: object, status: int = 200, headers: dict | None = None, kind: str = "application/json"):
        self.bodies, self.status, self.headers, self.kind, self.asked = list(bodies), status, headers, kind, 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        body = self.bodies.pop(0) if len(self.bodies) > 1 else self.bodies[0]
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(text=text, status=self.status, headers=self.headers, content_type=self.kind)


@pytest.fixture(scope="module")
def config():
    return composed("stage=distill", "teacher=api", "teacher.requests_per_minute=100000", "teacher.backoff=0.001")


@pytest.fixture
def teacher(config, monkeypatch, tmp_path):
    """A way to put a server up as the teacher; gives settings to reach it by."""

    @contextmanager
    def start(server: Server, path: str = "/v1", **settings):
        application = web.Application()
        application.router.add_post("/{path:.*}", server.answer)
        with serving(application) as url:
            for name, value in (("URL", f"{url}{path}"), ("MODEL", NAME), ("KEY", KEY)):
                monkeypatch.setenv(f"QGEN_TEACHER_{name}", value)
            yield replace(config.teacher, **{"cache": f"{tmp_path}/teacher.jsonl"} | settings)

    return start


def ask(settings, question=QUESTION):
    """The reply to a question, and the client that asked."""
    client = Client(settings)
    return client.run(client.ask, [question])[0], client


@pytest.mark.parametrize(
    "text",
    [
        f"Is it posed well? {DRAFT}\n</think>\n{JSON}",  # the chat template wrote the opening tag
        f"<thinking>{DRAFT}</thinking>\n{JSON}",
        f"<THINK>{DRAFT}</THINK>{JSON}",
        f'<think budget="4096">{DRAFT}</think>{JSON}',
        f"<think>\n{DRAFT}\n< /think >\n\n{JSON}",
        f"<think>a<think>{DRAFT}</think>b {OTHER}</think>{JSON}",
        f"<seed:think>{DRAFT}</seed:think>{JSON}",
        f"[THINK]{DRAFT}[/THINK]{JSON}",
        f"◁think▷{DRAFT}◁/think▷{JSON}",
        f"{JSON}\n<think>Was it {OTHER}? No.</think>",
        f"</think> The set {{1, 2}} is fine, {{so}}:\n```json\n{JSON}\n```\nThis holds for {{all}} $x_{{1}}$.",
        f"First I said {OTHER}, but it is {JSON}.",
        f"It asks for {{\"rigor\": <1-5>}} and I give {JSON}",
        f'{{"scores": {JSON}}}',
        f'A "quote {{ and }} a brace" then {JSON} and {{"rigor": 9}}',
        f"<|channel|>analysis<|message|>{DRAFT}<|end|><|channel|>final<|message|>{JSON}",
        '{"a":' * 3000 + JSON,
    ],
)  # fmt: skip
def test_fault_4_the_object_that_validates_is_found(text):
    assert QUESTION.read(text).model_dump() == MARKS


def test_fault_4_braces_in_strings_are_no_objects():
    written = {"statement": 'How many subsets has $\\{1, 2\\}$, or "{1, 2}", or } or {?', "answer": "$\\{4\\}$"}
    question = questions.vary(PROBLEM, Kind.harder, "en", False)
    assert question.read(f"I think {{x}}</think>So {json.dumps(written)} it is {{}}.").model_dump() == written


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"<think>{DRAFT}", "the reasoning does not end"),
        (f"<Thinking>{JSON} and so on", "the reasoning does not end"),
        (f"</think>{JSON}<think>or rather", "the reasoning does not end"),
        (f"{DRAFT}</think>", "no JSON object"),  # what stands in the reasoning is no answer
        ("", "no JSON object"),
        ("It is {very} good", "rigor|JSON"),
        (f"</think>{JSON[:-1]}", "no JSON object"),
        (f"{{}} then {json.dumps(MARKS | {'rigor': 9})}", "rigor"),
    ],
)
def test_fault_4_what_is_wrong_is_said(text, why):
    with pytest.raises(ValueError, match=why):
        QUESTION.read(text)


def test_fault_4_finding_it_takes_no_time():
    for text in ("{" * 60_000, '{"a' * 20_000, '{"a":' * 12_000, '"{\\' * 20_000, "<think>" * 8_000):
        began = time.monotonic()
        with pytest.raises(ValueError, match=r"\w"):
            QUESTION.read(text)
        assert time.monotonic() - began < 2


def test_fault_4_reasoning_that_is_cut_off_is_no_answer(teacher):
    server = Server(completion(f"Perhaps {OTHER}, but is {{it", reason="length"), completion(f"hm</think>{JSON}"))
    with teacher(server) as settings:
        found, client = ask(settings)
        assert (found.model_dump(), client.asked, client.ledger.spent.tokens) == (MARKS, 2, 60)
    whole = Server(completion(f"```json\n{JSON}\n```\n", reason="length"))  # and its last token was the last it had
    with teacher(whole, cache=f"{settings.cache}.whole") as settings:
        assert ask(settings)[0].model_dump() == MARKS
    with teacher(Server(completion("Let me see", reason="length")), retries=0, cache=f"{settings.cache}.cut") as cut:
        found, client = ask(cut)
        assert (found, "teacher.max_tokens" in next(iter(client.ledger.failed.values()))) == (None, True)


NO_COMPLETIONS = {
    "error": {"error": f"Unexpected endpoint. (POST /chat/completions with {KEY})"},
    "empty": {"choices": []},
    "null": {"choices": None, "model": NAME},
    "list": [1, 2],
    "page": f"<!doctype html><title>Welcome, {KEY}</title>",
    "words": {"choices": "none"},
}


@pytest.mark.parametrize("shape", NO_COMPLETIONS)
def test_fault_5_a_200_that_is_no_completion_ends_the_stage_and_costs_nothing(teacher, shape):
    kind = "text/html" if shape == "page" else "application/json"
    with teacher(server := Server(NO_COMPLETIONS[shape], kind=kind), path="") as settings:
        with pytest.raises(RefusedError, match="QGEN_TEACHER_URL") as caught:
            ask(settings)
        said = str(caught.value)
        assert server.asked == 1
        assert {"error": "Unexpected endpoint", "page": "Welcome"}.get(shape, "") in said
        assert not any(secret in said for secret in (KEY, NAME, "127.0.0.1"))
    with teacher(Server(completion())) as settings:  # the address is corrected
        found, client = ask(settings)
        assert (found.model_dump(), client.asked, client.ledger.spent.tokens) == (MARKS, 1, 30)


def test_fault_5_a_secret_that_the_answer_is_cut_in_does_not_leak(teacher):
    for before in (180, 186):
        with teacher(Server({"error": "x" * before + KEY}), path="") as settings:
            client = Client(settings)
            with pytest.raises(RefusedError) as caught:
                client.run(client.ask, [QUESTION])
            assert KEY[:6] not in str(caught.value)


def test_fault_5_an_error_in_a_200_that_passes_is_tried_again(teacher):
    server = Server({"error": {"code": 502, "message": "Provider returned error"}}, completion())
    with teacher(server) as settings:
        assert (ask(settings)[0].model_dump(), server.asked) == (MARKS, 2)


def test_fault_5_half_a_body_is_tried_again(teacher):
    with teacher(Server(json.dumps(completion())[:90], "  \n", completion())) as settings:
        found, client = ask(settings)
        assert (found.model_dump(), client.asked) == (MARKS, 3)


def test_fault_5_a_failed_question_is_asked_again_at_another_address(teacher):
    with teacher(bad := Server(completion("very good")), retries=1) as settings:
        assert (ask(settings)[0], ask(settings)[0], bad.asked) == (None, None, 2)  # here it stays failed
        before = settings.cache
    with teacher(good := Server(completion("hm"), completion()), retries=1) as settings:
        assert settings.cache == before
        found, client = ask(settings)  # with all attempts: those elsewhere do not count
        assert (found.model_dump(), good.asked) == (MARKS, 2)
        assert client.ledger.spent.tokens == 4 * 30
    assert b"127.0.0.1" not in Path(settings.cache).read_bytes()


def test_fault_5_a_failure_of_an_older_cache_is_asked_again(teacher):
    with teacher(Server(completion("hm"))) as settings:
        ask(replace(settings, retries=0))
    rows = [json.loads(line) for line in Path(settings.cache).read_text().splitlines()]
    Path(settings.cache).unlink()
    append(Path(settings.cache), [{k: v for k, v in row.items() if k != "server"} for row in rows])
    with teacher(Server(completion())) as settings:
        assert ask(settings)[0].model_dump() == MARKS


@pytest.mark.parametrize(
    "body",
    [
        completion([{"type": "text", "text": JSON[:20]}, {"type": "text", "text": JSON[20:]}]),
        completion([{"type": "thinking", "thinking": [{"text": OTHER}]}, {"type": "text", "text": JSON}]),
        completion([JSON]),
        completion(usage={"prompt_tokens": "20", "completion_tokens": "10"}),
        completion(usage={"prompt_tokens": 20.0, "completion_tokens": 10, "total_tokens": None}),
    ],
)  # fmt: skip
def test_fault_5_harmless_shapes_are_read(teacher, body):
    with teacher(Server(body, kind="text/plain")) as settings:
        found, client = ask(settings)
        assert (found.model_dump(), client.asked, client.ledger.spent.tokens) == (MARKS, 1, 30)


@pytest.mark.parametrize(
    "body",
    [
        completion() | {"choices": [{"index": 0, "message": None}]},
        completion() | {"choices": [None]},
        completion() | {"choices": [{"index": 0, "text": "a completion of the old kind"}]},
        completion() | {"choices": ["text"]},
        completion(None),
        completion({"type": "text", "text": JSON}),
        completion(7),
        completion([{"type": "text", "text": None}]),
        completion([None, 3]),
    ],
)
def test_fault_5_other_shapes_are_failed_replies(teacher, body):
    with teacher(Server(body, completion())) as settings:
        found, client = ask(settings)
        assert (found.model_dump(), client.asked, client.ledger.spent.tokens) == (MARKS, 2, 60)


@pytest.mark.parametrize("usage", [{}, [], "30", {"prompt_tokens": 20}, {"prompt_tokens": "x", "completion_tokens": 1},
                                   {"prompt_tokens": -20, "completion_tokens": 10}])  # fmt: skip
def test_fault_5_a_cost_that_is_not_said_is_the_worst_case(teacher, usage):
    with teacher(Server(completion(usage=usage))) as settings:
        found, client = ask(settings)
        assert found.model_dump() == MARKS
        assert client.ledger.spent.tokens > settings.max_tokens


@pytest.mark.parametrize("after", ["86400", "inf", "tomorrow"])
@pytest.mark.parametrize("status", [429, 503])
def test_fault_5_a_server_that_asks_for_a_day_ends_the_stage(teacher, after, status):
    if after == "tomorrow":
        after = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    with teacher(server := Server({}, status=status, headers={"Retry-After": after})) as settings:
        began = time.monotonic()
        with pytest.raises(RefusedError, match=r"teacher\.time_out") as caught:
            ask(settings)
        assert (server.asked, time.monotonic() - began < 5) == (1, True)
        assert "resume=true" in str(caught.value)
        assert after == "inf" or "24 h" in str(caught.value)
        ledger = Ledger(Path(settings.cache))
        with ledger.held():
            assert ledger.spent.tokens == 0


def test_fault_5_a_wait_that_a_server_asks_for_is_said(teacher, capsys, monkeypatch):
    from qgen.teachers import client as module

    monkeypatch.setattr(module, "SAID", 1.0)
    with teacher(Server({}, status=429, headers={"Retry-After": "1"}), retries=0) as settings:
        client = Client(settings)
        several = [QUESTION, *(questions.vary(PROBLEM, kind, "en", False) for kind in Kind)]
        with pytest.raises(RuntimeError, match="no answer in 1 attempts"):
            client.run(client.ask, several)
    assert capsys.readouterr().err.count("the teacher asks to wait 1 s (HTTP 429)") == 1


@pytest.mark.parametrize("url", ["127.0.0.1:9/v1", "localhost/v1", "ftp://127.0.0.1/v1", "http://", "http://[::1/v1"])
def test_fault_5_an_address_that_is_none_is_refused_before_anything_is_booked(config, monkeypatch, url):
    monkeypatch.setenv("QGEN_TEACHER_URL", url)
    with pytest.raises(RuntimeError, match="QGEN_TEACHER_URL"):
        Client(config.teacher)


def test_fault_5_a_request_that_was_never_sent_is_not_booked(config, monkeypatch, tmp_path):
    settings = replace(config.teacher, cache=f"{tmp_path}/teacher.jsonl")
    with socket.create_server(("127.0.0.1", 0), backlog=0) as busy:
        monkeypatch.setenv("QGEN_TEACHER_URL", f"http://127.0.0.1:{busy.getsockname()[1]}/v1")
        waiting = [socket.socket() for _ in range(3)]  # more than it has room for, so that no other connects
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(busy.getsockname())
        with pytest.raises(RuntimeError, match=r"no reply within teacher\.time_out"):
            ask(replace(settings, time_out=0.3, retries=1))
        for each in waiting:
            each.close()
    ledger = Ledger(Path(settings.cache))
    with ledger.held():
        assert ledger.spent.tokens == 0


def test_fault_5_a_kept_reply_that_is_valid_no_more_is_asked_for_again(teacher):
    with teacher(Server(completion())) as settings:
        ask(settings)
        kept = Path(settings.cache)
        kept.write_text(kept.read_text().replace("clarity", "charity"))  # as under other rules
        found, client = ask(settings)
        assert (found.model_dump(), client.asked) == (MARKS, 1)
        assert ask(settings)[1].asked == 0


@pytest.mark.parametrize("key", ["sk-a\n", "sk-ключ", "sk a"])
def test_fault_5_a_key_that_no_header_can_hold_is_refused(config, monkeypatch, key):
    monkeypatch.setenv("QGEN_TEACHER_URL", "http://127.0.0.1/v1")
    monkeypatch.setenv("QGEN_TEACHER_KEY", key)
    with pytest.raises(RuntimeError, match="QGEN_TEACHER_KEY") as caught:
        Client(config.teacher)
    assert "sk-" not in str(caught.value)
