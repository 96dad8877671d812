"""Which server a teacher is behind: its address, model and key, from the environment and kept out of messages."""

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

URL, MODEL, KEY = "QGEN_TEACHER_URL", "QGEN_TEACHER_MODEL", "QGEN_TEACHER_KEY"
DEFAULT = "deepseek-ai/DeepSeek-R1"  # as vLLM, SGLang and most hosts of open weights name it
ADDRESS = "the base address of an OpenAI-compatible server (it usually ends in /v1)"
_SECRET = 4  # characters; what is shorter is no secret, and may stand in any word


@dataclass(frozen=True)
class Server:
    """`key` is empty where the server wants none."""

    url: str
    model: str
    key: str

    def redacted(self, text: str) -> str:
        """A text without the server's address, its model and the key, each of which becomes the variable's name."""
        for secret, name in ((self.key, KEY), (self.url, URL), (urlsplit(self.url).netloc, URL), (self.model, MODEL)):
            if len(secret) >= _SECRET:
                text = text.replace(secret, name)
        return text


def server() -> Server:
    """The server that the environment names. Raises RuntimeError where no request could be sent to it."""
    url, model, key = (os.environ.get(name, "") for name in (URL, MODEL, KEY))
    if not url:
        raise RuntimeError(
            f"teacher=api needs a server: set {URL} to {ADDRESS}, {KEY} to your key where it wants one, and {MODEL} "
            f"where it is not {DEFAULT}"
        )
    if not _address(url):
        raise RuntimeError(f"{URL} is no address that begins with http:// or https://: set it to {ADDRESS}")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise RuntimeError(f"{KEY} holds a space, a line break or a letter beyond ASCII, as no key does: set it again")
    return Server(url, model or DEFAULT, key)


def _address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable() and " " not in url
