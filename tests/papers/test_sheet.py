"""The files that people read: hostile text does nothing there, and the answers stand on a page of their own."""

import re

from conftest import CUBES, SPHERES

from qgen.papers import sheet
from qgen.settings.generate import PaperConfig

SCRIPT = "Find $x$ if <script>alert(1)</script> and $\\href{javascript:1}{x}$ & <img src=x onerror=alert(1)>."
NEAR = {"similarity": 0.31, "source": "CHAMP", "licence": "MIT", "id": "P_1", "statement": "Find it."}
PAPER = PaperConfig(title="Contest <1>", instructions="Answer $2$ of 3.\nNo books.")


def row(statement, answer):
    rest = {"solution": "", "topic": "Geometry", "level": 2, "difficulty": 2.5, "reward": 0.5}
    return {"statement": statement, "answer": answer, **rest, "nearest": NEAR, "certificate": {"id": "c0ffee"}}


ROWS = [row(SPHERES.statement, SPHERES.answer), row(CUBES.statement, "335"), row(SCRIPT, "-\\sqrt{2}")]


def test_the_page_to_print():
    page = sheet.html(PAPER, ROWS, "en", {})
    assert page.count("<script") == page.count("<img") == page.count("href") - page.count("\\href") == 0
    assert "&lt;script&gt;alert(1)" in page
    assert "Contest &lt;1&gt;" in page
    problems, key = page.split('<section class="key"')
    assert problems.count("<li>") == key.count("<li>") == 3
    assert "<math>" in problems
    assert "<msqrt>" in key
    assert "335" not in problems
    assert "Geometry, level 2 · CHAMP P_1, MIT (similarity 0.31) · c0ffee" in key
    assert "break-before: page" in page
    assert re.search(r"@page \{ size: A4", page)
    chinese = sheet.html(PAPER, ROWS, "zh", {"Geometry": "几何"})
    assert "答案" in chinese
    assert "几何, 难度 2" in chinese


def test_latex_and_markdown():
    written = sheet.latex(PAPER, ROWS, "en")
    assert written.index(r"\newpage") < written.index(r"\section*{Answers}") < written.index(r"\item $335$")
    assert r"\href" not in written
    assert "fandol" in sheet.latex(PAPER, ROWS, "zh")
    text = sheet.markdown("Three", ROWS)
    assert text.startswith("# Three\n\n## 1. Geometry, level 2\n")
    assert "Nearest known problem: CHAMP P_1, MIT (similarity 0.31). Certificate c0ffee." in text
    assert "<script" not in text
    assert CUBES.statement in text
    assert sheet.attribution({"similarity": 0.0}) == "none"
