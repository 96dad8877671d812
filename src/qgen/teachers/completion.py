"""What a server's response with status 200 holds.

It is read here, for openai's classes take any JSON for a completion, and servers that call themselves compatible send
texts in parts, counts as strings, and errors and pages with status 200.
"""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, NonNegativeInt, ValidationError


class HalfError(ValueError):
    """The response is JSON that was cut off on the way."""


class NoCompletionError(ValueError):
    """The response, which is the message, is whole and no completion, so that nothing was computed.

    Attributes:
        code: the HTTP status that it names, as gateways do that learn of an error late; None where it names none.
    """

    def __init__(self, body: str, code: int | None = None):
        super().__init__(body)
        self.code = code


class _Usage(BaseModel):
    """Numbers, or strings of digits."""

    prompt_tokens: NonNegativeInt
    completion_tokens: NonNegativeInt


@dataclass(frozen=True)
class Completion:
    """A model's reply.

    Attributes:
        text: of it.
        fault: why it cannot be an answer, whatever it is asked; empty where it may be one.
        tokens: of the prompt and of the reply; None where the server does not say.
    """

    text: str
    fault: str
    tokens: tuple[int, int] | None


def read(body: str) -> Completion:
    """The completion in the body of a response. Raises HalfError, or NoCompletionError."""
    body = body.strip("\ufeff \t\r\n")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        if not body or body.startswith("{"):  # some servers send blanks until the reply is there
            raise HalfError from None
        raise NoCompletionError(body) from None
    choices = value.get("choices") if isinstance(value, dict) else None
    if not isinstance(choices, list) or not choices:
        raise NoCompletionError(body, _code(value))
    choice = choices[0] if isinstance(choices[0], dict) else {}
    message = choice.get("message")
    text = _text(message.get("content")) if isinstance(message, dict) else ""
    fault = "" if text else "the reply holds no text"
    # Where the limit cut reasoning without an opening tag, as DeepSeek-R1's is, a draft in it may look like the answer.
    if choice.get("finish_reason") == "length" and not text.rstrip().endswith(("}", "```")):
        fault = "the reply was cut off: raise teacher.max_tokens"
    return Completion(text, fault, _tokens(value.get("usage")))


def _code(value: Any) -> int | None:
    error = value.get("error") if isinstance(value, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) else None


def _text(content: Any) -> str:
    """A content that is a text, or a list of parts, of which those that are texts count; empty where it is neither."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [p.get("text") if isinstance(p, dict) and p.get("type", "text") == "text" else p for p in parts]
    return "".join(text for text in texts if isinstance(text, str))


def _tokens(usage: Any) -> tuple[int, int] | None:
    try:
        counts = _Usage.model_validate(usage)
    except ValidationError:
        return None
    return counts.prompt_tokens, counts.completion_tokens
