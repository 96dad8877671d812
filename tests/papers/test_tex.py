"""What a model writes as LaTeX: it compiles, and does nothing."""

import shutil
import subprocess

import pytest
from conftest import CUBES, DIGITS, SPHERES, composed

from qgen.data import champ
from qgen.papers import sheet
from qgen.settings.generate import PaperConfig
from qgen.text import tex

HOSTILE = (
    r"$x$ \input{/etc/passwd}",
    r"$\text{^^5cinput{/etc/passwd}}$",
    r"$\immediate\write18{id}$",
    r"\begin{tabular}{c} \openin5=/etc/passwd \end{tabular}",
    r"$\csname input\endcsname$",
    r"\begin{filecontents}{x} a \end{filecontents}",
    r"$\def\x{\x\x}\x$",
    r"\^^M \~ \foo \verb|x| % & # _ ~ < > ^^^^^",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_commands_that_are_not_listed_are_told_and_not_written(text):
    assert tex.unknown(text)
    written = tex.escaped(text)
    assert tex.unknown(written.replace(r"\textasciicircum", "").replace(r"\textasciitilde", "")
                       .replace(r"\textbackslash", "").replace(r"\textless", "").replace(r"\textgreater", "")
                       .replace(r"\textbar", "")) is None  # fmt: skip


def test_text_and_mathematics_are_kept():
    assert tex.escaped(r"It costs \$5 & 20\% of #1, $x<2\%$.") == r"It costs \$5 \& 20\% of \#1, $x<2\%$."
    assert tex.escaped("√2 ≤ π, $2π$") == r"\ensuremath{\surd}2 \ensuremath{\le} \ensuremath{\pi}, $2\pi $"
    assert tex.escaped(r"\begin{pmatrix} 1 & 2 \end{pmatrix}") == r"\[\begin{pmatrix} 1 & 2 \end{pmatrix}\]"
    assert tex.escaped(CUBES.statement) == CUBES.statement
    assert [tex.marked(a) for a in ("-3", r"\frac12", "$x$", "yes")] == ["$-3$", r"$\frac12$", "$x$", "yes"]


def test_a_problem_is_an_item_whose_answer_no_paper_prints():
    assert tex.problem(" [A] is 5%?\n", "[$2$,\n\n$3$]\n") == "\\item {}[A] is 5\\%?\n% Answer: [$2$, $3$]"
    assert tex.item(" \n[A]") == "\\item {}[A]"  # which TeX would take for the item's label
    assert tex.problem(CUBES.statement, CUBES.answer) == f"\\item {CUBES.statement}\n% Answer: $335$"


def test_real_problems_can_be_printed():
    problems = list(champ.read(composed().data))
    strange = [p.id for p in problems if tex.unknown(p.statement) or tex.unknown(p.answer)]
    assert len(strange) <= 0.02 * len(problems)


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no TeX is installed")
def test_a_paper_compiles_and_shows_hostile_text(tmp_path):
    paper = PaperConfig(title="A & B", instructions="No calculators: 100%.\nAnswer all.")
    statements = [CUBES.statement, SPHERES.statement, DIGITS.statement, "π ≤ 4, $\\sqrt{2}$ & 5%?", *HOSTILE]
    rows = [{"statement": statement, "answer": "$\\frac{1}{2}$"} for statement in statements]
    (tmp_path / "paper.tex").write_text(sheet.latex(paper, rows, "en"))
    command = ["pdflatex", "-no-shell-escape", "-recorder", "-interaction=nonstopmode", "paper.tex"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000
    assert "passwd" not in (tmp_path / "paper.fls").read_text()  # the files that TeX read and wrote
