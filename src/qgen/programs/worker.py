"""One program, in the process that was forked for it: wall, fence, run, and the reply through the one pipe left."""

import gc
import json
import os
import sys
import warnings
from typing import Any

from qgen.programs.fence import RefusedError, check
from qgen.programs.guard import closed, namespace
from qgen.programs.notebook import printing
from qgen.programs.printed import Printer, TooMuch
from qgen.programs.sandbox import confine

OUT_OF_MEMORY, NO_WALL = 77, 78  # exit codes of a process that could not reply
_DEPTH = 3000  # Python's own 1000 is what a memoised recursion over a thousand cases needs


def work(job: dict[str, Any], pipe: int, filtered: bool, spaced: bool) -> None:
    """Run a job {source, seconds, memory, output, fence} and end the process; its reply is JSON, at the pipe's end.

    Replies {answer, exact, printed} or {reason, detail, printed}.
    """
    code = OUT_OF_MEMORY
    try:
        try:
            confine(job["seconds"], job["memory"], pipe, filtered, spaced)
        except BaseException:
            os._exit(NO_WALL)
        reply = json.dumps(_reply(job)).encode()
        while reply:
            reply = reply[os.write(pipe, reply) :]
        code = 0
    finally:  # whatever a program may have raised, nothing of the server's goes on in here
        os._exit(code)


def _reply(job: dict[str, Any]) -> dict[str, Any]:
    printer = Printer(job["output"])
    reason, detail = "", ""
    try:
        reason, detail = _run(job["source"], printer, job["fence"])
        answer, exact = ("", False) if reason else printer.answer()
    except MemoryError:
        reason = "memory"
    except BaseException as error:  # a value whose text raises, or recurses
        reason, detail = "error", _said(error)
    printed = printer.printed() if not printer.full else ""
    if printer.full:
        reason, detail = "output", f"more than {job['output']} characters"
    elif not reason and not answer:
        reason = "empty"
    text = {"printed": _clean(printed[: job["output"]]), "reason": reason, "detail": _clean(detail[:300])}
    return text if reason else text | {"answer": _clean(answer), "exact": exact}


def _run(source: str, printer: Printer, fence: bool) -> tuple[str, str]:
    """Why the program did not run to its end, and the details; ('', '') where it did."""
    warnings.simplefilter("ignore")
    sys.stdout = sys.stderr = printer
    sys.setrecursionlimit(_DEPTH)
    space: dict[str, Any] = {}
    try:
        code = compile(printing(check(source)) if fence else source, "<program>", "exec", dont_inherit=True)
        space = namespace(printer.show, fence)
        run = exec
        if fence:
            closed()
        run(code, space)
    except RefusedError as error:
        return "refused", str(error)
    except SystemExit:
        return "", ""
    except TooMuch:
        return "output", ""
    except MemoryError:
        said = ""
    except BaseException as caught:
        said = _said(caught)
    else:
        return "", ""
    space.clear()
    gc.collect()
    return ("error", said) if said else ("memory", "")


def _said(error: BaseException) -> str:
    """An exception's type, message and line; only its type where the message raises."""
    line, trace = 0, error.__traceback__
    while trace:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == "<program>" else line
        trace = trace.tb_next
    line = line or (error.lineno if isinstance(error, SyntaxError) and error.lineno else 0)
    where = f"line {line}: " if line else ""
    try:
        message = str(error.msg if isinstance(error, SyntaxError) else error)[:200]
    except BaseException:
        message = ""
    name = type(error).__name__[:80]
    return f"{where}{name}: {message}" if message else f"{where}{name}"


def _clean(text: str) -> str:
    """Text that can be written as UTF-8: what is no character becomes a question mark."""
    return str.encode(text, "utf-8", "replace").decode()
