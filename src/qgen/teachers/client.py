"""A teacher behind an OpenAI-compatible API: many requests at once, within a rate and a budget, none paid for twice."""

import asyncio
import hashlib
import json
import logging
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from qgen.runtime.strict import require
from qgen.settings.teacher import TeacherConfig
from qgen.teachers import completion
from qgen.teachers.ledger import Cost, Ledger
from qgen.teachers.questions import Question, R, short
from qgen.teachers.server import ADDRESS, KEY, MODEL, URL, server
from qgen.teachers.status import passes, seconds, spoken

Item = TypeVar("Item")
Result = TypeVar("Result")
OVERHEAD = 64  # tokens that a chat template may add to a message, or a server to a request
BELIEVED = (
    10  # times its worst case that a request may have cost: a server may add a prompt of its own, but not so much
)
MINUTE = 60.0  # seconds; the longest pause of its own, and what a server may ask for whatever teacher.time_out is
SAID = 10.0  # seconds of waiting that a server asks for, from which the user is told
UNSENT = ("ConnectError", "ConnectTimeout", "PoolTimeout")  # httpx's errors before a request is sent


class OutOfBudgetError(RuntimeError):
    """The worst case of the next request no longer fits into the budget."""


class RefusedError(RuntimeError):
    """The server refuses what it is asked, so that asking again is no use; `unpaid` where it surely cost nothing."""

    def __init__(self, why: str, unpaid: bool = True):
        super().__init__(why)
        self.unpaid = unpaid


class _RetryError(Exception):
    """An attempt that is worth another: why, after how many seconds at least, whether a reply came that is invalid, and
    whether it is sure that it costs nothing."""

    def __init__(self, why: str, after: float = 0.0, invalid: bool = False, unpaid: bool = False):
        super().__init__(why)
        self.after, self.invalid, self.unpaid = after, invalid, unpaid


class Client:
    """Asks questions. URL, model and key come from the environment; nothing writes them anywhere.

    Raises ImportError naming the extra where it is missing, and RuntimeError where the environment names no server that
    could be asked.

    Attributes:
        asked: requests sent by this process, those included that failed.
        ledger: what is known and paid.
    """

    def __init__(self, config: TeacherConfig):
        for package in ("openai", "tenacity", "aiolimiter"):
            require(package, "pip install 'qgen[api]'")
        self.config = config
        self.server = server()
        self.ledger = Ledger(Path(config.cache), self.server.url)
        self.budget = Cost(config.budget.tokens, config.budget.money)
        self.asked = 0
        for name in ("openai", "httpx", "httpx2", "httpcore", "httpcore2"):  # their lines name the server
            logging.getLogger(name).setLevel(logging.ERROR)

    def run(
        self, work: Callable[[Item], Awaitable[Result]], items: list[Item], title: str | None = None
    ) -> list[Result]:
        """`work(item)` for all items at once, in their order, under a progress bar where there is a title.

        What stops one of them stops all, once the replies that are under way have come in: they are paid for. So does
        Ctrl-C; a second does not wait. Raises what stopped them.
        """
        with self.ledger.held():
            return asyncio.run(self._run(work, items, title))

    async def _run(self, work: Callable, items: list, title: str | None) -> list:
        import openai
        from aiolimiter import AsyncLimiter

        self.over: BaseException | None = None  # why nothing is asked any more
        self.stopped = asyncio.Event()
        self.under_way = 0  # requests
        self.told = 0.0  # until when the user knows that the server wants to be left alone, on the loop's clock
        self.settled = asyncio.Condition()
        self.slots = asyncio.Semaphore(self.config.concurrency)
        self.rate = AsyncLimiter(1, 60 / self.config.requests_per_minute)
        self.asking: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.bar = tqdm(
            total=len(items),
            desc=title,
            dynamic_ncols=True,
            disable=title is None,
            mininterval=0.1 if sys.stderr.isatty() else 30,
        )

        async def one(item: Any) -> Any:
            try:
                return await work(item)
            except Exception as error:
                self._stop(error)
                raise
            finally:
                self.bar.set_postfix(spent=f"{self.ledger.spent.money:.2f}", refresh=False)
                self.bar.update()

        server, patience = self.server, self.config.time_out
        async with openai.AsyncOpenAI(
            base_url=server.url, api_key=server.key or "none", timeout=patience, max_retries=0
        ) as self.api:
            everything = asyncio.gather(*(one(item) for item in items), return_exceptions=True)
            try:
                found = await asyncio.shield(everything)
            except asyncio.CancelledError as error:
                self._stop(error)
                tqdm.write("waiting for the replies that are under way; Ctrl-C again does not", file=sys.stderr)
                await everything
                raise
            finally:
                self.bar.close()
        if self.over:
            raise self.over
        return found

    async def ask(self, question: Question[R]) -> R | None:
        """The reply to a question, from the file where it is known; None where no valid one could be had.

        Raises OutOfBudgetError where there is no room for it, RefusedError where the server will not have it, and
        RuntimeError where all attempts were in vain. None of them names the server.
        """
        request = {
            "model": self.server.model,
            "messages": list(question.messages),
            "max_tokens": self.config.max_tokens,
            "temperature": self.config.temperature,
        }
        if form := question.format(self.config.structured):
            request["response_format"] = form
        key = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        async with self.asking[key]:
            if self._known(key, question) is None and key not in self.ledger.failed:
                await self._persist(key, question, request)
        return self._known(key, question)

    def _known(self, key: str, question: Question[R]) -> R | None:
        """The reply that the file holds; None where it holds none, or one of before the rules for replies changed."""
        with suppress(ValueError, KeyError):
            return question.read(self.ledger.replies[key])
        return None

    async def _persist(self, key: str, question: Question, request: dict[str, Any]) -> None:
        """Ask until there is a valid reply, or no further attempt is left: an invalid reply then counts as failed."""
        from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

        backoff = wait_exponential_jitter(multiplier=self.config.backoff, max=MINUTE, jitter=self.config.backoff)
        attempts = max(1, self.config.retries + 1 - self.ledger.invalid[key])  # those of a run that was stopped count
        again = AsyncRetrying(
            sleep=self._sleep,
            stop=stop_after_attempt(attempts),
            wait=lambda state: state.outcome.exception().after + backoff(state),  # type: ignore[union-attr]  # a _RetryError
            retry=retry_if_exception_type(_RetryError),
            reraise=True,
        )
        try:
            await again(self._attempt, key, question, request)
        except _RetryError as error:
            if not error.invalid:
                raise RuntimeError(
                    f"the teacher gave no answer in {attempts} attempts ({error}). Check {URL}, {MODEL} and {KEY}, or "
                    f"lower teacher.requests_per_minute and teacher.concurrency; what it has answered is kept, and "
                    f"resume=true goes on from there"
                ) from None
            self.ledger.give_up(key, str(error))

    async def _attempt(self, key: str, question: Question, request: dict[str, Any]) -> None:
        async with self.slots:
            self._check()
            await self.rate.acquire()
            worst = self._worst(request)
            async with self._reserved(key, worst) as attempt:
                try:
                    reply = await self._send(request)
                except (_RetryError, RefusedError) as error:
                    if error.unpaid:
                        self.ledger.settle(attempt, Cost(), "refused", key)
                    raise  # else the worst case stands
                cost = self._cost(*reply.tokens) if reply.tokens else worst
                if not cost.within(worst.times(BELIEVED)):
                    cost = worst
                try:
                    if reply.fault:
                        raise ValueError(reply.fault)
                    question.read(reply.text)
                except ValueError as error:
                    self.ledger.settle(attempt, cost, "invalid", key)
                    raise _RetryError(f"an invalid reply: {short(error)}", invalid=True) from None
                self.ledger.settle(attempt, cost, "answered", key, reply.text)

    @asynccontextmanager
    async def _reserved(self, key: str, worst: Cost) -> AsyncIterator[str]:
        """Room in the budget for one request, which may have to wait until others turn out cheaper than their worst."""
        async with self.settled:
            while not (self.ledger.spent + worst).within(self.budget):
                if not self.under_way:
                    raise OutOfBudgetError("teacher.budget is spent")
                await self.settled.wait()
            self._check()
            attempt = self.ledger.reserve(key, worst)
            self.under_way += 1
            self.asked += 1
        try:
            yield attempt
        finally:
            self.under_way -= 1
            async with self.settled:
                self.settled.notify_all()

    async def _send(self, request: dict[str, Any]) -> completion.Completion:
        """One reply. Messages name no server or model."""
        import openai

        try:
            response = await self.api.chat.completions.with_raw_response.create(**request)
            return completion.read(response.http_response.text)
        except openai.APITimeoutError as error:
            unsent = type(error.__cause__).__name__ in UNSENT
            why = f"no reply within teacher.time_out={self.config.time_out:g} s"
            raise _RetryError(why, unpaid=unsent) from None
        except openai.APIStatusError as error:
            raise self._status(error.status_code, error.response.headers.get("retry-after")) from None
        except openai.APIConnectionError as error:
            cause = type(error.__cause__).__name__
            raise _RetryError(f"connection failed: {cause}", unpaid=cause in UNSENT) from None
        except completion.NoCompletionError as error:
            if error.code is not None and passes(error.code):
                raise self._status(error.code, None) from None
            said = " ".join(self.server.redacted(str(error)).split())[:200]  # whole, or half a key might be left
            raise RefusedError(
                f"{URL} leads to something that answers without a completion ({said}): set it to {ADDRESS}"
            ) from None
        except (openai.OpenAIError, ValueError):
            raise _RetryError("half a response") from None

    def _status(self, code: int, after: str | None) -> Exception:
        """What a response that is an error means for what comes next."""
        if passes(code):
            sure = code not in (408, 502, 504)  # a gateway does not know what became of the request
            wait = seconds(after)
            if wait > max(MINUTE, self.config.time_out):
                return RefusedError(
                    f"the teacher asks to wait {spoken(wait)} (HTTP {code}), longer than "
                    f"teacher.time_out={self.config.time_out:g} s: go on with resume=true when that is over, or raise "
                    f"teacher.time_out; what it has answered is kept",
                    unpaid=sure,
                )
            now = asyncio.get_running_loop().time()
            if wait >= SAID and now >= self.told:
                self.told = now + wait
                tqdm.write(f"the teacher asks to wait {spoken(wait)} (HTTP {code})", file=sys.stderr)
            return _RetryError(f"HTTP {code}", wait, unpaid=sure)
        remedy = {401: KEY, 403: KEY, 404: f"{URL} (which usually ends in /v1) and {MODEL}"}.get(code)
        remedy = f"set {remedy}" if remedy else f"check {MODEL}, teacher.structured and teacher.max_tokens"
        if code == 402:
            remedy = f"its account is empty; pay, or set {URL} and {KEY} to another"
        return RefusedError(f"the teacher refuses what it is asked (HTTP {code}): {remedy}")

    def _worst(self, request: dict[str, Any]) -> Cost:
        """The most that a request can cost: a token of the prompt is at least a byte."""
        prompt = sum(len(m["content"].encode()) + OVERHEAD for m in request["messages"]) + OVERHEAD
        prompt += len(json.dumps(request.get("response_format")).encode())
        return self._cost(prompt, request["max_tokens"])

    def _cost(self, prompt: int, completed: int) -> Cost:
        price = self.config.price
        return Cost(prompt + completed, (prompt * price.prompt + completed * price.completion) / 1e6)

    def _stop(self, error: BaseException) -> None:
        self.over = self.over or error
        self.stopped.set()

    def _check(self) -> None:
        if self.over:
            raise self.over

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopped.wait(), seconds)
