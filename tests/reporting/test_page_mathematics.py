"""Text with LaTeX becomes MathML; whatever a model writes, nothing but text and harmless mathematics comes out."""

import re
import time

import pytest
from specimen import HOSTILE

from qgen.data import champ
from qgen.mathematics.latex import MATH
from qgen.reporting.page import mathematics
from qgen.reporting.page.gallery import mathematical
from qgen.reporting.page.mathematics import ATTRIBUTES, ELEMENTS, clean, formula, render
from qgen.settings.data import DataConfig

TAG = re.compile(r"</?([a-zA-Z]+)((?: [a-z]+=\"[^\"<>]*\")*)>")


def test_the_real_problems_convert():
    problems = list(champ.read(DataConfig(source="champ")))
    spans = [m.group() for p in problems for text in (p.statement, p.answer) for m in MATH.finditer(text)]
    converted = [formula(span) is not None for span in spans]
    assert len(problems) == 270
    assert len(spans) > 800
    assert sum(converted) / len(spans) > 0.99


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Find $x$.", "Find <math><mi>x</mi></math>."),
        (r"\(\frac12\)", "<math><mfrac><mn>1</mn><mn>2</mn></mfrac></math>"),
        ("$$x$$", '<math display="block"><mi>x</mi></math>'),
        (r"\[x\]", '<math display="block"><mi>x</mi></math>'),
        ("$a<b$ & 1<2", "<math><mrow><mi>a</mi><mo>&lt;</mo><mi>b</mi></mrow></math> &amp; 1&lt;2"),
        (r"costs \$5 or \$6", "costs $5 or $6"),
        (r"$\sin x$", '<math><mrow><mi class="f">sin</mi><mi>x</mi></mrow></math>'),
        (r"$\nosuch x$", r'<code class="tex">$\nosuch x$</code>'),
        ("$\\frac{1}$ and <b>", '<code class="tex">$\\frac{1}$</code> and &lt;b&gt;'),
        ("$" + "x" * 1001 + "$", '<code class="tex">$' + "x" * 1001 + "$</code>"),
    ],
)
def test_text_is_rendered(text, html):
    assert render(text) == html


@pytest.mark.parametrize(
    "latex",
    [
        r"\href{javascript:alert(1)}{x}",
        r"\style{background:url(http://evil.test)}{x}",
        r"\class{card}{x}",
        r"\color{red}{x}",
        r"\hspace{100000em}x",
        r"\rule{100em}{100em}",
        "\\sqrt" * 300 + "{2}",
        "\\frac{" * 100,
        "{" * 400 + "x" + "}" * 400,
    ],
)
def test_what_could_do_harm_stands_as_its_source(latex):
    assert render(f"${latex}$") == f'<code class="tex">${latex}$</code>'


@pytest.mark.parametrize("text", [*HOSTILE, r"$\text{</mtext><script>alert(1)</script>}$", "$\\unicode{x3c}script>$"])
def test_only_mathematics_of_the_list_comes_out(text):
    html = str(render(text))
    left = TAG.sub("", html)
    assert not re.search("[<>]", left)
    for name, attributes in TAG.findall(html):
        assert name in {*ELEMENTS, "code"}
        assert set(re.findall(r" ([a-z]+)=", attributes)) <= {*ATTRIBUTES, "class", "display"}
    assert not re.search("[\x00-\x08\ud800-\udfff\u202a-\u202e]", html)


def test_rendering_is_bounded_in_size_and_time():
    began = time.perf_counter()
    html = render("$" + "$ $".join("a_b^c" * 60 for _ in range(40)) + "$" + "$x" * 5000 + "\\begin{a}" * 500)
    assert html.count("<math") < 10
    assert time.perf_counter() - began < 2


def test_a_sign_is_no_sum():
    assert '<mo form="prefix">−</mo>' in formula("$x=-1$")
    assert "form" not in formula("$x-1$")


def test_answers_without_dollars_are_mathematics():
    assert mathematical("\\frac12") == formula("$\\frac12$")
    assert mathematical("No") == "No"
    assert mathematical("$5$") == formula("$5$")


def test_what_cannot_be_shown_stands_as_its_number():
    assert clean("a\x00b\u202ec\ud800\n\u2028\t中√") == "a⟨0000⟩b⟨202E⟩c⟨D800⟩\n⟨2028⟩\t中√"
    assert mathematics.formula("$\ud800$") is not None
