import json
from collections import Counter

import pytest
from conftest import composed

from qgen import data
from qgen.data import champ, jsonl, openmath
from qgen.mathematics.problem import Problem, fault


def test_champ_is_270_real_problems():
    problems = list(champ.read(composed().data))
    assert len(problems) == 270
    assert Counter(p.topic for p in problems)["Number Theory"] == 80
    assert {p.level for p in problems} == {1, 2, 3, 4, 5}
    assert sum(fault(p) is None for p in problems) >= 264  # two do not compile, four ask twice or say their answer
    assert all(p.solution and p.licence == "MIT" for p in problems)


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        ("239", "239"),
        ("@@C(10, 5)@@, or equivalently @@252@@", "$252$"),
        ("999 (i.e., all except for one value)", "999"),
        ("0 is the only possible value", "0"),
        ("@@2^(m+1)@@", "$2^{m+1}$"),
    ],
)
def test_champ_answers_are_short(raw, answer):
    assert champ.answer(raw) == answer


@pytest.mark.parametrize(
    ("raw", "latex"),
    [
        ("Find @@x_(n+1)≤2^(k*m)@@.", r"Find $x_{n+1}\le 2^{k\cdot m}$."),
        ("@@sum_(i=1)^n i^3@@", r"$\sum_{i=1}^n i^3$"),
        ("@@sqrt(1+(a+b))@@", r"$\sqrt{1+(a+b)}$"),
        ("@@{1, 2, ..., n}@@", r"$\{1, 2, \ldots, n\}$"),
        ("@@x^10@@", "$x^{10}$"),
        ("@@n mod 40@@", r"$n \bmod 40$"),
        ("no mathematics", "no mathematics"),
    ],
)
def test_champ_mathematics_becomes_latex(raw, latex):
    assert champ.latex(raw) == latex


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


ROW = {"problem": "Find the sum of the digits of $2^{10}$.", "answer": 7, "level": "Level 2"}


def test_jsonl_reads_what_is_there_and_works_out_the_rest(tmp_path):
    config = composed("data=jsonl", f"data.path={write(tmp_path / 'p.jsonl', ROW)}").data
    (problem,) = jsonl.read(config)
    assert (problem.answer, problem.level, problem.topic, problem.points) == (
        "7",
        2,
        "Number Theory",
        ("sum of the digits",),
    )
    assert problem.id.endswith("p.jsonl:1")


def test_jsonl_fields_name_columns(tmp_path):
    path = write(tmp_path / "p.jsonl", {"q": ROW["problem"], "a": "7", "kind": "Digits"})
    overrides = ["data.fields.statement=q", "data.fields.answer=a", "data.fields.topic=kind"]
    (problem,) = jsonl.read(composed("data=jsonl", f"data.path={path}", *overrides).data)
    assert (problem.answer, problem.topic) == ("7", "Digits")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b'{"problem": "x", "answer": "1"}\n{"problem": "y", "ans', r"p\.jsonl:2: not JSON.*truncated"),
        (b'{"problem": "x", "answer": "1"}\n\xff\xfe\n', r"p\.jsonl:2: not UTF-8"),
        (b'{"problem": "x"}\n', r"p\.jsonl:1: no 'answer'.*data\.fields\.answer"),
        (b"[1, 2]\n", r"p\.jsonl:1: not a JSON object but int"),
    ],
)
def test_jsonl_says_where_it_is_broken(tmp_path, content, says):
    path = tmp_path / "p.jsonl"
    path.write_bytes(content)
    with pytest.raises(RuntimeError, match=says):
        list(jsonl.read(composed("data=jsonl", f"data.path={path}").data))


def test_jsonl_that_is_not_there(tmp_path):
    with pytest.raises(RuntimeError, match="no such file"):
        list(jsonl.read(composed("data=jsonl", f"data.path={tmp_path}/none.jsonl").data))


def test_openmath_from_a_local_copy_in_the_hubs_layout(tmp_path):
    import datasets

    rows = [
        {
            "problem": "Find the area of a triangle with sides $13$, $14$ and $15$.",
            "expected_answer": "84",
            "generated_solution": "<think>Heron, perhaps.</think>With $s=21$ the area is $84$ by Heron's formula.",
            "problem_type": kind,
            "problem_source": "aops_c4_high_school_math",
            "pass_rate_72b_tir": rate,
        }
        for kind, rate in (("has_answer_extracted", "0.96875"), ("converted_proof", "n/a"))
    ]
    (tmp_path / "data").mkdir()
    datasets.Dataset.from_list(rows).to_parquet(tmp_path / "data" / "cot-00000-of-00001.parquet")
    (problem,) = openmath.read(composed("data=openmath", f"data.path={tmp_path}").data)
    assert (problem.topic, problem.level, problem.answer) == ("Geometry", 1, "84")
    assert "think" not in problem.solution
    assert problem.licence == "CC-BY-4.0"


@pytest.mark.parametrize(("rate", "level"), [("1.0", 1), ("0.5", 3), (0.0, 5), ("n/a", None), (None, None)])
def test_openmath_level_from_pass_rate(rate, level):
    assert openmath.level(rate) == level


def test_unreachable_hub_names_the_mirror_setting(monkeypatch):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RuntimeError, match="HF_ENDPOINT"):
        list(openmath.read(composed("data=openmath").data))


def test_too_few_problems(tmp_path):
    path = write(tmp_path / "p.jsonl", ROW)
    with pytest.raises(RuntimeError, match=r"data=jsonl: .* of 1 read .*data\.min_quality"):
        data.load(composed("data=jsonl", f"data.path={path}", "data.min_quality=0").data)


def test_fingerprint_follows_content(problems):
    assert data.fingerprint(problems) == data.fingerprint(list(problems))
    assert data.fingerprint(problems) != data.fingerprint(problems[::-1])
    assert len(data.fingerprint([Problem("\ud800", "1")])) == 16
