"""One self-contained HTML page about runs: what was trained, what became of it, and the problems that were written.

It opens from disk and asks the network for nothing. What a model wrote is hostile input to it: templates escape
everything, mathematics goes through an allow-list, and a content security policy lets no other script or style run
than the two files beside this one.
"""

import base64
import hashlib
import logging
import re
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from qgen.data import Corpus
from qgen.reporting.page import evaluation, settings
from qgen.reporting.page.charts import short
from qgen.reporting.page.curves import groups
from qgen.reporting.page.gallery import gallery
from qgen.reporting.page.runs import Corpora, Run, evaluations, read
from qgen.reporting.page.summary import summarise
from qgen.reporting.page.sweep import bundles, compare
from qgen.runs.files import write_whole
from qgen.text.visible import shown
from qgen.version import __version__

log = logging.getLogger(__name__)


def write(homes: list[Path], out: Path, corpus: Corpus | None = None) -> Path:
    """Write the report of runs and return its path.

    Args:
        homes: directories of stages, of whole runs, or of sweeps, as qgen left them; unfinished ones too.
        out: the page. It is replaced in one move.
        corpus: the real problems, to find the nearest of each written one. Where not given they are read again as the
            runs' configs say; where that fails the page says why.

    Raises RuntimeError where a directory holds no run.
    """
    runs = read(homes)
    stages = [stage for run in runs for stage in run.stages]
    corpora = Corpora(corpus)
    problems, sweeps = gallery(stages, corpora), compare(homes, runs)
    changed, unknown = settings.changes(stages)
    title, css, js = _title(homes, runs), _file("page.css"), _file("page.js")
    html = (
        _templates()
        .get_template("page.html")
        .render(
            title=title,
            file=f"{_plain(title)}-problems.jsonl",
            policy=f"default-src 'none'; style-src '{_hash(css)}'; script-src '{_hash(js)}'; base-uri 'none'; "
            f"form-action 'none'",
            css=Markup(css),
            js=Markup(js),
            runs=runs,
            several=len(runs) > 1,
            summary=summarise(runs, corpora, problems.cards, changed),
            sweeps=sweeps,
            groups=groups(bundles(stages, sweeps)),
            tables=[evaluation.table(where, found) for where, found in evaluations(homes, runs)],
            gallery=problems,
            changed=changed,
            unknown=unknown,
            environment=settings.environment(stages),
            version=__version__,
            now=f"{datetime.now(UTC):%-d %B %Y, %H:%M} UTC",
        )
    )
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, html)
    return out


def _title(homes: list[Path], runs: list[Run]) -> str:
    if len(homes) == 1 and len(runs) > 1:  # a sweep's directory, or qgen.teach's
        return Path(homes[0]).resolve().name
    return ", ".join(run.name for run in runs[:3]) + (f" and {len(runs) - 3} more" if len(runs) > 3 else "")


def _plain(title: str) -> str:
    """A title as any system takes it for a part of a file's name."""
    return re.sub(r"[^\w.]+", "-", title).strip("-.")[:80] or "qgen"


def leave(homes: list[Path], out: Path, corpus: Corpus | None = None) -> str:
    """Write report.html into a directory and say where it lies, or why there is none: a run is not lost by that."""
    try:
        return f"its report is {write(homes, out / 'report.html', corpus)}"
    except Exception as error:
        log.exception("the report could not be written")
        return f"its report could not be written ({error}): python -m qgen.report paths=[{out}] tries again"


def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("qgen.reporting", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = short
    return environment


def _file(name: str) -> str:
    return resources.files("qgen.reporting.page").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """A source as the content security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
