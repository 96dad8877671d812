"""What an HTTP status other than 200 means for what comes next, and its Retry-After."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isinf, isnan


def passes(code: int | None) -> bool:
    """Whether a later attempt may go well."""
    return code is not None and (code in (408, 409, 429) or code >= 500)


def seconds(after: str | None) -> float:
    """A Retry-After header, which holds seconds or a date, in seconds."""
    if after is None:
        return 0.0
    try:
        found = float(after or 0)
        return 0.0 if isnan(found) else max(0.0, found)
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(after) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def spoken(seconds: float) -> str:
    """Seconds as a person reads them."""
    if isinf(seconds):
        return "for ever"
    return f"{seconds:.0f} s" + (f" ({seconds / 3600:.0f} h)" if seconds >= 3600 else "")
