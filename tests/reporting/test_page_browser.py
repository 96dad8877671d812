"""The page in a browser: it asks the network for nothing, runs nothing that a model wrote, filters, and fits."""

import json
import re
import shutil
from pathlib import Path

import axe_playwright_python as axe
import pytest
import specimen
from conftest import CUBES, DIGITS, SPHERES, composed

from qgen.data import Corpus, jsonl
from qgen.mathematics.problem import Problem
from qgen.reporting.page import write
from qgen.runs.files import append, write_json

# a problem that was given, which nothing has parsed; and one with a program and votes
GIVEN = (
    '["50%" of </script>] Café\'s \u2028\x1b C:\\new & \\input{/etc/passwd}, π_1 ≤ $\\frac{22}{7}$:\n\n\\$5 # {ü}?',
    "50\\% of\n$\\frac12$",
)
GIVEN_TEX = (
    '\\item {}["50\\%" of \\textless{}/script\\textgreater{}] Café\'s ⟨2028⟩⟨001B⟩ C:\\textbackslash{}new \\& '
    "\\textbackslash{}input{/etc/passwd}, \\ensuremath{\\pi}\\_1 \\ensuremath{\\le} $\\frac{22}{7}$:\n\\$5 \\# {ü}?\n"
    "% Answer: 50\\% of $\\frac12$"
)
PROGRAM = "print(3 % 2, '\\\\')"
COMPUTED = "What is the Übermaß of $3$ modulo $2$, in \\% of 100?"
VOTES = {"agree": 1.0, "runner_up": 0.0, "unanswered": 0.0, "other": "", "samples": 4, "kinds": {}, "confidence": 0.97}
RAN = {"answer": "1 \\", "fault": None, "printed": "1 \\", "exact": True, "stated": "1", "same": False}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The page of a run with an evaluation and with hostile samples, and how many samples it holds."""
    home = specimen.run(tmp_path_factory.mktemp("outputs") / "run")
    (home / "evaluation").mkdir()
    write_json(home / "evaluation" / "evaluation.json", specimen.evaluation())
    hostile = [
        specimen.sample(0, "teacher", 1, text, topic="<script>alert(0)</script>", reward=0.01)
        for text in specimen.HOSTILE
    ]
    text = f"Problem: {COMPUTED}\nProgram:\n```python\n{PROGRAM}\n```\nAnswer: 1"
    hostile += [
        specimen.sample(0, "teacher", 1, text, reward=0.02, program=RAN, votes=VOTES),
        specimen.sample(0, "teacher", 1, "Answer: 1", statement=GIVEN[0], answer=GIVEN[1], reward=0.02),
    ]
    append(home / "distill" / "samples.jsonl", hostile)
    return write([home], home / "report.html", Corpus([SPHERES, DIGITS], [CUBES], 3))


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    with sync_api.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, report):
    """The page, opened; afterwards it must have said nothing, asked nothing and loaded nothing but itself."""
    said, pages = [], []

    def at(width: int = 1280, script: str = "", **more):
        page = browser.new_context(viewport={"width": width, "height": 900}, **more).new_page()
        page.add_init_script(script)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: said.append(request.url) if request.url != report.as_uri() else None)
        page.goto(report.as_uri())
        page.wait_for_timeout(100)
        pages.append(page)
        return page

    yield at
    for page in pages:
        page.context.close()
    assert said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_screen_reader_finds_nothing_in_its_way(opened, scheme, width):
    assert found_by_axe(opened(width, color_scheme=scheme, bypass_csp=True)) == []


def found_by_axe(page) -> list[str]:
    """What axe-core finds wrong, of whatever weight."""
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    return [f"{found['id']}: {found['nodes'][0]['html']}" for found in page.evaluate("axe.run()")["violations"]]


def visible(page) -> int:
    return page.locator("#cards > .card:visible").count()


def test_mathematics_is_laid_out(opened):
    page = opened()
    boxes = page.eval_on_selector_all(
        "#cards > .card:not([hidden]) > .statement math",
        "all => all.map(m => { const b = m.getBoundingClientRect(); return [b.width, b.height] })",
    )
    assert len(boxes) > 20
    assert all(width > 3 and height > 5 for width, height in boxes)


def test_filters(opened):
    page = opened()
    total = page.locator("#cards > .card").count()
    assert total == 36 + 40 + 50
    assert visible(page) == 30
    while page.locator("#more").is_visible():
        page.click("#more")
    assert visible(page) == total
    page.select_option("[name=stage]", "sft")
    assert visible(page) == 12
    assert page.text_content("#count") == f"12 of {total} match"
    page.select_option("[name=parses]", "no")
    assert visible(page) == 3
    page.click("[type=reset]")
    page.wait_for_function("document.getElementById('count').textContent.startsWith('126')")
    page.select_option("[name=mode]", "teacher")
    page.fill("[name=text]", "ALERT")
    assert visible(page) == 5
    page.fill("[name=text]", "")
    page.select_option("[name=mode]", "train")
    page.select_option("[name=topic]", "Geometry")
    page.select_option("[name=level]", "3")
    expected = sum(i % 3 == 2 and i % 5 == 2 for i in range(40))
    assert visible(page) == expected
    page.click("[type=reset]")
    page.fill("[name=score]", "0.9")
    shown = [float(text) for text in page.locator("#cards > .card:visible .score").evaluate_all(
        "all => all.map(e => e.textContent.replace('reward', ''))")]  # fmt: skip
    assert shown
    assert min(shown) >= 0.9
    assert shown == sorted(shown, reverse=True)
    page.fill("[name=score]", "")
    page.select_option("[name=order]", "worst")
    first = page.locator("#cards > .card:visible .score").first.text_content()
    assert first.strip().endswith("0.00")


CLIPBOARDS = {
    "there": "",
    "missing": "Object.defineProperty(navigator, 'clipboard', {value: undefined});",
    "refusing": "navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed'));",
}


@pytest.mark.parametrize("clipboard", CLIPBOARDS)
@pytest.mark.parametrize("width", [1280, 390])
def test_a_problem_is_copied_as_latex(opened, clipboard, width):
    script = f"window.kept = navigator.clipboard; {CLIPBOARDS[clipboard]}"
    page = opened(width, script, permissions=["clipboard-read", "clipboard-write"])
    page.fill("[name=text]", "answer: 1")
    page.select_option("[name=order]", "given")
    for card, expected in [("#cards > .card", GIVEN_TEX), ("#summary .card", None)]:
        button = page.locator(f"{card}:visible").first.get_by_role("button", name="Copy as LaTeX")
        own = button.element_handle()
        button.focus()
        page.keyboard.press("Enter")
        page.wait_for_function("b => b.textContent === 'Copied'", arg=own)
        assert page.locator("[role=status]#said").text_content() == "Copied"
        assert own.evaluate("b => document.activeElement === b")
        copied = page.evaluate("window.kept.readText()")
        assert copied == (expected or own.get_attribute("data-tex"))
        assert re.fullmatch(r"\\item [^%].*\n% Answer: .+", copied, re.S)
    page.wait_for_function("b => b.textContent === 'Copy as LaTeX'", arg=own, timeout=4000)
    assert page.locator("textarea").count() == 0


def test_a_copy_that_is_refused_is_told(opened):
    page = opened(script=f"{CLIPBOARDS['missing']} document.execCommand = () => false;")
    page.locator("#cards .copy:visible").first.click()
    assert page.locator("#said").text_content() == "Could not copy"
    assert page.locator("#cards .copy", has_text="Could not copy").count() == 1


def test_what_the_filters_let_through_is_downloaded(opened, tmp_path):
    page = opened()
    button = page.get_by_role("button", name="Download")
    parsed = page.locator("#cards > .card[data-parses=yes]").count()
    assert button.text_content() == f"Download {parsed} problems"  # also those that are not shown yet
    assert visible(page) < parsed
    page.select_option("[name=mode]", "teacher")
    page.fill("[name=text]", "answer: 1")
    page.fill("[name=score]", "0.02")
    page.select_option("[name=order]", "given")
    lines = downloaded(page, tmp_path / "problems.jsonl")
    assert button.text_content() == f"Download {len(lines)} problems"
    asked = {"topic": "Number Theory", "level": 1, "reward": 0.02}
    given, computed = [line for line in lines if line["reward"] == 0.02]
    assert given == {"statement": GIVEN[0], "answer": GIVEN[1], "solution": "Answer: 1", **asked}
    assert computed == {"statement": COMPUTED, "answer": "1 \\", "program": PROGRAM, **asked, "proof": "computed"}
    config = composed("data=jsonl", f"data.path={tmp_path / 'problems.jsonl'}", "data.fields.statement=statement").data
    read = [found for found in jsonl.read(config) if isinstance(found, Problem)]
    assert (COMPUTED, "1 \\", 1) in [(problem.statement, problem.answer, problem.level) for problem in read]
    page.fill("[name=text]", "Café's no such text")
    assert button.text_content() == "Download 0 problems"
    assert button.is_disabled()
    page.fill("[name=text]", PROGRAM)
    assert button.text_content() == "Download 1 problem"


def downloaded(page, path: Path) -> list[dict]:
    """The rows of the file that the page's button leaves."""
    with page.expect_download() as found:
        page.click("#download")
    assert found.value.suggested_filename == "run-problems.jsonl"
    found.value.save_as(path)
    text = path.read_text(encoding="utf-8")
    assert "Übermaß" in text
    return [json.loads(line) for line in text.removesuffix("\n").split("\n")]


def test_a_print_has_no_buttons(opened):
    page = opened()
    assert page.locator("button:visible").count() > 30
    page.emulate_media(media="print")
    assert page.locator("button:visible").count() == 0


def test_hover_tells_step_and_value(opened):
    page = opened()
    chart = page.locator("svg.chart").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 12, box["y"] + 60)
    tip = page.locator(".tip").inner_text()
    assert re.fullmatch(r"step 20\s+(● )?training 1\.\d{3}\s+(● )?held-out 1\.400", tip)
    page.mouse.move(5, 5)
    assert page.locator(".tip").count() == 0


@pytest.mark.parametrize("width", [375, 768, 1280])
def test_nothing_is_wider_than_the_screen(opened, width):
    page = opened(width)
    while page.locator("#more").is_visible():
        page.click("#more")
    for details in page.locator("details").all()[:20]:
        details.evaluate("d => d.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_summary_of_an_evaluated_run_fits_a_laptop(browser, tmp_path):
    home = specimen.run(tmp_path / "run")
    (home / "evaluation").mkdir()
    told = json.dumps(specimen.evaluation()).replace('"reward"', '"usable"').replace('"heldout_loss"', '"nats"')
    write_json(home / "evaluation" / "evaluation.json", json.loads(told))  # an evaluation has neither of the two
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(write([home], home / "report.html", Corpus([SPHERES, DIGITS], [CUBES], 3)).as_uri())
    assert page.locator(".outcome th", has_text="usable yield").count() == 1
    shown, needed = page.eval_on_selector(".outcome", "t => [t.parentElement.clientWidth, t.parentElement.scrollWidth]")
    assert needed <= shown
    page.close()


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The page of a sweep of three settings over three seeds."""
    home = tmp_path_factory.mktemp("multirun") / "warmup"
    for value in (2, 10, 20):
        for seed in range(3):
            own = (f"stage.warmup_steps={value}", f"seed={seed}")
            specimen.job(home / ",".join(own), *own, reward=0.3 + value / 100 + seed / 1000)
    return write([home], home / "report.html", Corpus([SPHERES, DIGITS], [CUBES], 3))


@pytest.mark.parametrize("width", [375, 1280])
def test_a_sweep_fits_and_its_plots_name_what_was_swept(browser, swept, width):
    said, page = [], browser.new_page(viewport={"width": width, "height": 900})
    page.on("console", lambda message: said.append(message.text))
    page.goto(swept.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("nav a[href='#sweep']").count() == 1
    chart = page.locator("#sweep svg.chart").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 12, box["y"] + 60)
    assert re.fullmatch(r"stage.warmup_steps 20\s+(● )?0\.501", page.locator(".tip").inner_text())
    page.close()
    assert said == []


def test_a_sweeps_table_fits_on_paper(browser, swept):
    page = browser.new_page(viewport={"width": 717, "height": 1000})  # A4 within chromium's margins
    page.emulate_media(media="print")
    page.goto(swept.as_uri())
    assert page.locator(".sweep thead th").count() == 11
    assert page.eval_on_selector(".sweep", "t => t.getBoundingClientRect().right") <= 717
    page.close()


def test_light_and_dark(opened):
    brightness = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).reduce((a, b) => a + Number(b), 0)"
    assert opened(color_scheme="light").evaluate(brightness) > 600
    assert opened(color_scheme="dark").evaluate(brightness) < 150


def test_it_reads_without_script(opened):
    page = opened(java_script_enabled=False)
    assert page.locator("button:visible").count() == 0
    assert visible(page) == 36 + 40 + 50
    assert not page.locator("#filters").is_visible()


def test_controls_are_labelled(opened):
    page = opened()
    unlabelled = page.eval_on_selector_all(
        "input, select", "all => all.filter(e => !e.labels.length).map(e => e.outerHTML)"
    )
    assert unlabelled == []
    assert page.locator("svg.chart:not([aria-label])").count() == 0
