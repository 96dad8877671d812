"""Problems as files for people: Markdown, and a contest paper in LaTeX and as a page to print."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from qgen.reporting.page.mathematics import render
from qgen.text import tex
from qgen.text.markdown import block, line
from qgen.text.visible import shown

Row = dict[str, Any]


def markdown(title: str, rows: list[Row]) -> str:
    """Problems in their order, each with its answer, its nearest known problem and its certificate's number."""
    parts = [f"# {line(title)}\n"]
    for number, row in enumerate(rows, start=1):
        solution = f"{block(row['solution'])}\n\n" if row["solution"] else ""
        level = "" if row["difficulty"] is None else f"estimated level {row['difficulty']:.1f}"
        program = f"```python\n{row['program']}\n```\n\n" if row.get("program") else ""
        proof = f" ({line(row['proved'])})" if row.get("proved") else ""
        reward = "" if row["reward"] is None else f"reward {row['reward']:.2f}"
        worth = ", ".join(filter(None, [reward, level]))
        worth = f"{worth[0].upper()}{worth[1:]}. " if worth else ""
        parts.append(
            f"## {number}. {line(row['topic'])}, level {row['level']}\n\n{block(row['statement'])}\n\n"
            f"**Answer:** {line(row['answer'])}{proof}\n\n{program}{solution}{worth}"
            f"Nearest known problem: {line(attribution(row['nearest']))}. Certificate {row['certificate']['id']}.\n"
        )
    return "\n".join(parts)


def attribution(near: Row) -> str:
    """The nearest known problem in words: its source, its number there, the licence, and how similar it is."""
    if not near.get("source"):
        return "none"
    licence = f", {near['licence']}" if near.get("licence") else ""
    return f"{near['source']} {near['id']}{licence} (similarity {near['similarity']:.2f})"


def html(paper: Any, rows: list[Row], language: str, topics: dict[str, str]) -> str:
    """A paper to print: the problems, and the answers on a page of their own.

    Args:
        paper: its title and instructions.
        topics: their names in the paper's language, as far as they have others than the rows'.
    """
    environment = Environment(
        loader=PackageLoader("qgen", "papers"), autoescape=True, undefined=StrictUndefined, finalize=shown,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    problems = [
        {
            "statement": render(row["statement"]), "answer": render(tex.marked(row["answer"])),
            "topic": topics.get(row["topic"], row["topic"]), "level": row["level"],
            "nearest": attribution(row["nearest"]), "certificate": row["certificate"]["id"],
            "proved": row.get("proved"),
        }
        for row in rows
    ]  # fmt: skip
    instructions = render(paper.instructions)
    return environment.get_template("paper.html").render(
        paper=paper, problems=problems, language=language, instructions=instructions, words=_WORDS[language]
    )


def latex(paper: Any, rows: list[Row], language: str) -> str:
    """The paper as LaTeX: for xelatex and lualatex; an English one also for pdflatex."""
    problems = "\n\n".join(tex.item(row["statement"]) for row in rows)
    answers = "\n".join(f"{tex.item(tex.marked(row['answer']))}{_proof(row)}" for row in rows)
    return _TEX.format(
        head=_HEADS[language], title=tex.escaped(paper.title), instructions=tex.escaped(paper.instructions),
        problems=problems, answers=answers, key=_WORDS[language]["answers"],
    )  # fmt: skip


def _proof(row: Row) -> str:
    """What stands behind an answer of the LaTeX key."""
    return f" {{\\footnotesize ({tex.escaped(row['proved'])})}}" if row.get("proved") else ""


_WORDS = {
    "en": {
        "answers": "Answers",
        "level": "level",
        "note": "A model wrote these problems. Under each answer stand the known problem that is nearest to it, and "
        "the number of its certificate in problems.jsonl.",
    },
    "zh": {
        "answers": "答案",
        "level": "难度",
        "note": "题目由模型命制。每个答案之下列出与该题最接近的已知题目，以及它在 problems.jsonl 中的证书编号。",
    },
}
_HEADS = {
    "en": "\\documentclass[11pt,a4paper]{article}\n\\usepackage{iftex}\n"
    "\\ifPDFTeX\\usepackage[utf8]{inputenc}\\usepackage[T1]{fontenc}\\usepackage{lmodern}\\fi",
    "zh": "\\documentclass[11pt,a4paper,fontset=fandol]{ctexart}",
}
_TEX = r"""{head}
\usepackage{{amsmath,amssymb}}
\usepackage[margin=25mm]{{geometry}}
\setlength{{\parindent}}{{0pt}}
\setlength{{\emergencystretch}}{{3em}}
\begin{{document}}
\begin{{center}}
{{\LARGE\bfseries {title}\par}}
\medskip
{instructions}
\end{{center}}
\bigskip
\begin{{enumerate}}
\setlength{{\itemsep}}{{1.5em}}
{problems}
\end{{enumerate}}
\newpage
\section*{{{key}}}
\begin{{enumerate}}
{answers}
\end{{enumerate}}
\end{{document}}
"""
