"""What is fitted to a corpus, kept in the cache from one command to the next: for a sweep it is fitted once."""

import hashlib
import os
import pickle
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import numpy
import scipy
import sklearn
from threadpoolctl import threadpool_limits

from qgen.mathematics.problem import Problem
from qgen.runtime import cache

FOLDER = "fitted"  # in the cache
MOST = 32  # files there; the one that was made first goes
CODE = ("mathematics", "metrics")  # packages that fits are made of

T = TypeVar("T")


def fitted(make: Callable[[Sequence[Problem]], T], problems: Sequence[Problem]) -> T:
    """make(problems), read from the cache where it was made of the same problems by the same code before.

    Args:
        make: a class or function of this package; what it returns can be pickled. What it raises is raised.
    """
    made_by = (make.__module__, make.__qualname__, cache.code(*CODE), *(m.__version__ for m in (numpy, scipy, sklearn)))
    digest = hashlib.sha256(repr(made_by).encode())
    for problem in problems:
        digest.update(repr(problem).encode(errors="surrogatepass"))
    file = cache.directory() / FOLDER / f"{digest.hexdigest()[:24]}.pickle"
    with suppress(Exception):  # not there, or cut short by a full disk
        if file.stat().st_uid == os.getuid():  # another user's pickle could run anything
            return pickle.loads(file.read_bytes())
    with threadpool_limits(1):  # the matrices are small: threads that wait for one another on 32 cores took minutes
        found = make(problems)
    cache.keep(file, pickle.dumps(found), MOST)
    return found
